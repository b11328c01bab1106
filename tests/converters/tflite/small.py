"""Small models for the tests of written files."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.contract import Metadata, Precision
from tests.converters.tflite.tflite_helpers import content
from tests.lowering_helpers import export, quantize

METADATA = Metadata(description="a small model", author="tests", labels=("cat", "dog"))
IMAGE = (1, 3, 16, 16)


class Small(nn.Module):
    """A little of everything: (1, 3, 16, 16) -> (1, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.value = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        v = self.value(x).flatten(2)
        scores = (v.transpose(1, 2) @ v).softmax(-1)
        x = torch.cat([x, (v @ scores.transpose(1, 2)).view(x.shape)], 1)[:, 4:12]
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class Attention(nn.Module):
    """Convolutions around a softmax, which stays float."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).relu().flatten(2).softmax(-1).reshape(1, 8, 8, 8))


def attention_file(x: Tensor) -> bytes:
    """The int8 file of an Attention, calibrated on x (1, 3, 8, 8)."""
    return content(quantize(export(Attention().eval(), x), x, floats=("aten.softmax.int",)), Precision.INT8)
