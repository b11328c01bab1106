"""The network with what lies before and behind it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Surrounded(nn.Module):
    """behind(network(before(x))): (B, 3, H, W) -> (B, classes) or (B, C, h, w).

    `before` and `behind` were traced with one image, and may have its batch in their views: of several, each goes through them by itself.
    """

    def __init__(self, before: nn.Module, network: nn.Module, behind: nn.Module) -> None:
        super().__init__()
        self.before, self.network, self.behind = before, network, behind

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] == 1:
            out: Tensor = self.behind(self.network(self.before(x)))
            return out
        images = torch.cat([self.before(image) for image in torch.split(x, 1)])
        return torch.cat([self.behind(output) for output in torch.split(self.network(images), 1)])
