"""Before, network and behind: one image at a time through what was traced with one, all at once through the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.surroundings.surrounded import Surrounded


class OneByOne(nn.Module):
    """As a traced part that has the batch of one image in its views."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x.view(1, *x.shape[1:]) * self.factor


class Summed(nn.Module):
    """(B, 3, H, W) -> (B, 3), and remembers the batches that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        return x.sum((2, 3)) + 1


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_images_keep_their_order_and_the_network_takes_them_together(batch: int) -> None:
    network = Summed()
    x = torch.randn(batch, 3, 4, 4)
    out = Surrounded(OneByOne(2), network, OneByOne(10))(x)
    assert torch.allclose(out, 10 * (2 * x.sum((2, 3)) + 1), atol=1e-4)
    assert network.batches == [batch]
