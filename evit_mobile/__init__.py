"""Turns a trained PyTorch EfficientViT into proven Core ML, LiteRT and ExecuTorch artefacts.

The names below are the Python API (docs/python.md); each is imported when it is first used, so that `import evit_mobile` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evit_mobile.version import __version__

if TYPE_CHECKING:
    from converters.contract import Inspection, Precision
    from evit_mobile.commands.compile import Compilation, compile
    from evit_mobile.commands.convert import Conversion, convert
    from evit_mobile.commands.evaluate import Evaluation, Pieces, evaluate
    from evit_mobile.commands.inspect import inspect
    from evit_mobile.commands.load import LoadedArtefact, load
    from evit_mobile.commands.sensitivity import Sensitivity, sensitivity
    from evit_mobile.commands.validate import FolderValidation, validate
    from evit_mobile.errors import EvitMobileError, UsageError
    from evit_mobile.findings import Validation, Verdict
    from evit_mobile.profiling.comparison import compare
    from evit_mobile.profiling.protocol import Settings
    from evit_mobile.profiling.run import profile
    from evit_mobile.publishing.publish import Publication, publish
    from evit_mobile.record.files import read_manifest
    from evit_mobile.record.manifest import ArtefactEntry, Manifest
    from evit_mobile.request import ConvertRequest
    from evit_mobile.sweeps.best import Best, best
    from evit_mobile.sweeps.driver import Sweep, sweep

_EXPORTS: dict[str, tuple[str, ...]] = {
    "converters.contract": ("Inspection", "Precision"),
    "evit_mobile.commands.compile": ("Compilation", "compile"),
    "evit_mobile.commands.convert": ("Conversion", "convert"),
    "evit_mobile.commands.evaluate": ("Evaluation", "Pieces", "evaluate"),
    "evit_mobile.commands.inspect": ("inspect",),
    "evit_mobile.commands.load": ("LoadedArtefact", "load"),
    "evit_mobile.commands.sensitivity": ("Sensitivity", "sensitivity"),
    "evit_mobile.commands.validate": ("FolderValidation", "validate"),
    "evit_mobile.errors": ("EvitMobileError", "UsageError"),
    "evit_mobile.findings": ("Validation", "Verdict"),
    "evit_mobile.profiling.comparison": ("compare",),
    "evit_mobile.profiling.protocol": ("Settings",),
    "evit_mobile.profiling.run": ("profile",),
    "evit_mobile.publishing.publish": ("Publication", "publish"),
    "evit_mobile.record.files": ("read_manifest",),
    "evit_mobile.record.manifest": ("ArtefactEntry", "Manifest"),
    "evit_mobile.request": ("ConvertRequest",),
    "evit_mobile.sweeps.best": ("Best", "best"),
    "evit_mobile.sweeps.driver": ("Sweep", "sweep"),
}
_HOMES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "ArtefactEntry",
    "Best",
    "Compilation",
    "Conversion",
    "ConvertRequest",
    "Evaluation",
    "EvitMobileError",
    "FolderValidation",
    "Inspection",
    "LoadedArtefact",
    "Manifest",
    "Pieces",
    "Precision",
    "Publication",
    "Sensitivity",
    "Settings",
    "Sweep",
    "UsageError",
    "Validation",
    "Verdict",
    "__version__",
    "best",
    "compare",
    "compile",
    "convert",
    "evaluate",
    "inspect",
    "load",
    "profile",
    "publish",
    "read_manifest",
    "sensitivity",
    "sweep",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
