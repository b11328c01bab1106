"""While a forward is traced its network is one operation, or one for each part of the trunk; afterwards it is itself again."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.surroundings.leaf import (
    FINAL,
    FinalStage,
    IntermediateError,
    Leaf,
    NotCalledError,
    Untouched,
    network_call,
    standing_in,
)

IMAGE = torch.ones(1, 3, 8, 8)
TRUNK = ("stem", "stages")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stages, self.head = nn.Conv2d(3, 4, 2, 2), nn.Sequential(nn.Conv2d(4, 6, 2, 2)), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(self.stem(x)).mean((2, 3)))
        return out


def test_a_call_gives_zeros_of_the_networks_shape() -> None:
    out = network_call(IMAGE.double(), 0, (2, 5))
    assert (tuple(out.shape), out.dtype, out.abs().max().item()) == ((2, 5), torch.float64, 0.0)


def test_the_whole_network_is_one_operation() -> None:
    net = Net()
    with standing_in(net, TRUNK, (1, 5), whole=True, stages=False):
        assert torch.equal(net(IMAGE), torch.zeros(1, 5))
        for part in (net.stem, net.stages):
            with pytest.raises(NotCalledError):
                part(IMAGE)


def test_the_parts_of_a_trunk_are_an_operation_each() -> None:
    net = Net()
    with standing_in(net, TRUNK, (1, 6, 2, 2), whole=False, stages=False):
        assert net.stem(IMAGE).shape == IMAGE.shape  # of which nothing but its place matters
        assert torch.equal(net.stages(IMAGE), torch.zeros(1, 6, 2, 2))
        assert torch.equal(net(IMAGE)[0], net.head.bias)
        assert [(part.part, part.shape) for part in (net.stem, net.stages)] == [(0, None), (1, (1, 6, 2, 2))]


def test_a_backbone_returns_the_last_of_its_stages() -> None:
    net = Net()
    with standing_in(net, (), (1, 6, 2, 2), whole=True, stages=True):
        assert list(net(IMAGE)) == [FINAL]
        with pytest.raises(IntermediateError, match="takes 'stage2' of the backbone's stages"):
            net(IMAGE)["stage2"]


@pytest.mark.parametrize("whole", [True, False])
def test_afterwards_the_network_is_itself_again(whole: bool) -> None:
    net = Net()
    before, parts, own = net(IMAGE), list(net.named_modules()), copy.copy(net.__dict__)
    with pytest.raises(ZeroDivisionError), standing_in(net, TRUNK, (1, 5), whole=whole, stages=False):
        raise ZeroDivisionError
    assert torch.equal(net(IMAGE), before)
    assert list(net.named_modules()) == parts
    assert net.__dict__.keys() == own.keys()


def test_a_forward_that_was_put_on_the_network_comes_back() -> None:
    net = Net()
    net.forward = lambda x: x.sum()
    with standing_in(net, TRUNK, (1, 5), whole=True, stages=False):
        assert net(IMAGE).shape == (1, 5)
    assert net(IMAGE) == IMAGE.sum()


@pytest.mark.parametrize("look", [len, list, lambda part: part[0]])
def test_nobody_looks_into_a_part(look: object) -> None:
    assert callable(look)
    with pytest.raises(IntermediateError, match="stages one by one"):
        look(Leaf(0, (1, 5), stages=False))
    with pytest.raises(NotCalledError):
        look(Untouched())


def test_the_last_stage_is_in_the_dictionary() -> None:
    assert FinalStage({FINAL: IMAGE})[FINAL] is IMAGE
