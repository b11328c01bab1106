"""The outermost module that says what it computes; what lies beside the network in one that does not is of the training, or an error."""

from __future__ import annotations

import re

import pytest
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.outermost import has_forward, outermost

TRAINING = re.compile(r"loss\..+")


class Container(nn.Module):
    """As Lightning modules are that leave the calls to their steps."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


class Wrap(Container):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class Default(nn.Module):
    """Stands for a class of Lightning's whose forward only calls nn.Module's."""

    def forward(self, x: Tensor) -> Tensor:
        return x


Default.__module__ = "lightning.pytorch.core.module"


class OfOnesOwn(Default):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def test_a_module_with_a_forward_is_the_outermost() -> None:
    module = Wrap(net=nn.Linear(2, 2), head=nn.Linear(2, 2))
    assert outermost(module, "net.", TRAINING) == (module, "net.", ())


def test_containers_without_one_are_gone_through() -> None:
    inner = Wrap(net=nn.Linear(2, 2))
    assert outermost(Container(model=nn.ModuleDict({"a": inner})), "model.a.net.", TRAINING) == (inner, "net.", ())
    network = nn.Linear(2, 2)
    assert outermost(Container(model=Container(net=network)), "model.net.", TRAINING) == (network, "", ())


def test_a_network_by_itself_needs_no_forward_of_its_own() -> None:
    module = Container(a=nn.Linear(2, 2))
    assert outermost(module, "", TRAINING) == (module, "", ())


def test_parameters_of_the_training_are_left_out_with_a_note() -> None:
    network = nn.Linear(2, 2)
    found, prefix, notes = outermost(Container(net=network, loss=nn.Linear(3, 1)), "net.", TRAINING)
    assert (found, prefix) == (network, "")
    assert notes == ("left out loss.weight, loss.bias: of the training, not of the network",)


def test_other_layers_beside_the_network_are_refused() -> None:
    heads = {f"head{index}": nn.Linear(2, 2, bias=False) for index in range(6)}
    with pytest.raises(
        CheckpointError,
        match=r"a Container without a forward of its own, with (head\d\.weight, ){3}head3\.weight beside 'net'",
    ):
        outermost(Container(net=nn.Linear(2, 2), loss=nn.Linear(2, 2), **heads), "net.", TRAINING)


@pytest.mark.parametrize(
    ("module", "has"),
    [
        (Wrap(), True),
        (Container(), False),
        (nn.Sequential(), True),
        (nn.Linear(1, 1), True),
        (nn.ModuleList(), False),
        (nn.ModuleDict(), False),
        (Default(), False),
        (OfOnesOwn(), True),
    ],
)
def test_whose_class_says_what_it_computes(module: nn.Module, has: bool) -> None:
    assert has_forward(module) is has


def test_a_forward_may_be_the_modules_own() -> None:
    module = Default()
    module.forward = lambda x: x * 2
    assert has_forward(module)
