"""A few layers, images for them, and what a package of Core ML says of itself."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from converters.contract import Artefact, Precision, TensorSpec

IMAGES = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.Flatten(), nn.Linear(256, 10))


def artefact(path: Path) -> Artefact:
    """Of a package with one image in and one tensor out."""
    return Artefact(
        format="coreml",
        precision=Precision.FP16,
        path=path,
        bytes=1,
        sha256="0123",
        inputs=(TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="float32"),),
        outputs=(TensorSpec(name="logits", shape=(1, 4), dtype="float32"),),
        toolchain={},
    )
