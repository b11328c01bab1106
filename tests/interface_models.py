"""What the tests of image input and probabilities share: a small classifier, a small map of classes, and images of both kinds."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import ExportedProgram

from calib.preprocess import Preprocess
from converters.contract import Metadata
from converters.interface import Interface, Normalization
from tests.lowering_helpers import Apply, export, quantize

SIZE = (16, 24)
PREPROCESS = Preprocess(size=SIZE, mean=(0.485, 0.3, 0.406), std=(0.229, 0.5, 0.1013))
"""No 8-bit value lies exactly between two int8 codes, where the last bit decides."""
NORMALIZATION = Normalization(mean=PREPROCESS.mean, std=PREPROCESS.std)
LABELS = ("boot", "bag", "a b", "Größe")
METADATA = Metadata(description="a small model", version="1", labels=LABELS)
IMAGES = Interface(pixels=NORMALIZATION)
CLASSES = Interface(classes=True)
BOTH = Interface(pixels=NORMALIZATION, classes=True)


def classifier() -> nn.Module:
    """(1, 3, H, W) -> (1, 4)."""
    torch.manual_seed(0)
    parts = {"stem": nn.Conv2d(3, 8, 3, 2, 1), "head": nn.Linear(8, len(LABELS))}
    return Apply(lambda x, stem, head: head(F.relu(stem(x)).mean((2, 3))), **parts)


def mapper() -> nn.Module:
    """(1, 3, H, W) -> (1, 4, H/2, W/2)."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, len(LABELS), 1))


def photos(count: int = 6) -> np.ndarray:
    """(B, H, W, 3) uint8, every value of every colour among them."""
    return np.random.default_rng(0).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


def tensors(count: int = 6) -> np.ndarray:
    """(B, 3, H, W): the same, preprocessed."""
    return np.stack([PREPROCESS.normalize(photo) for photo in photos(count)])


def program_of(model: nn.Module, *, int8: bool = False) -> ExportedProgram:
    x = torch.from_numpy(tensors(1))
    return quantize(export(model, x), x) if int8 else export(model, x)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the classes of (B, C) or (B, C, H, W)."""
    return torch.softmax(torch.from_numpy(scores.astype(np.float64)), 1).numpy()
