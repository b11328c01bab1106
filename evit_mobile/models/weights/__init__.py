"""Weights from outside: files, hub repositories and live modules of timm, MIT and Microsoft, onto our reference models.

    load_checkpoint(path)    a file, never running code from it
    load_hub(reference)      a file of a Hugging Face repository, pinned to a commit
    load_module(module)      a module in memory, compared with ours by output

All return a LoadedModel or raise CheckpointError.
"""

from evit_mobile.models.weights.hub import is_hub_reference, load_hub
from evit_mobile.models.weights.live import load_module
from evit_mobile.models.weights.load import LoadedModel, load_checkpoint

__all__ = ["LoadedModel", "is_hub_reference", "load_checkpoint", "load_hub", "load_module"]
