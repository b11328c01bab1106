"""A network that is small and has every kind of thing in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

IMAGE = (1, 3, 8, 8)


class Small(nn.Module):
    """Enough of a network to have weights, a constant and several operations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.mix = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head((x + self.mix(x)).mean((2, 3)))
