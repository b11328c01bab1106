"""The trained checkpoints inside the package. Imports no torch."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from evit_mobile.errors import UsageError

DEFAULT_MODEL = "efficientvit_m0"
BUNDLED = {
    "efficientvit_m0": "efficientvit_m0.fashion_mnist.safetensors",
    "efficientvit_b0": "efficientvit_b0.fashion_mnist.safetensors",
}
"""Trained on Fashion-MNIST by training/train_fashion_mnist.py, stored in fp16."""


def bundled_checkpoint(model: str) -> Path:
    """File of the bundled weights of `model`. Raises UsageError when there are none."""
    if model not in BUNDLED:
        raise UsageError(
            got=f"model {model!r} without weights",
            allowed=f"a checkpoint (--weights FILE), --weights hub, --weights random, or a bundled model: {', '.join(BUNDLED)}",
            do="pass --weights",
        )
    with as_file(files("evit_mobile") / "weights" / BUNDLED[model]) as path:
        return path
