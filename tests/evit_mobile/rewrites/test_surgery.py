"""Replacing submodules by their exact type."""

from __future__ import annotations

import torch
from torch import nn

from evit_mobile.rewrites.surgery import captured_inputs, replace_modules


class Doubled(nn.Linear):
    pass


def nested() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), Doubled(2, 2)))


def test_every_place_is_replaced_and_no_subclass() -> None:
    model = nested()
    assert replace_modules(model, nn.Linear, lambda _: nn.Identity()) == 2
    assert [type(one) for one in (model[0], *model[1])] == [nn.Identity, nn.Identity, Doubled]


def test_inputs_are_those_of_the_probe_and_hooks_go() -> None:
    model, probe = nested(), torch.randn(3, 2)
    inputs = captured_inputs(model, Doubled, probe)
    assert torch.equal(inputs[model[1][1]], model[1][0](model[0](probe)))
    assert not model[1][1]._forward_pre_hooks
    assert captured_inputs(model, nn.Conv2d, probe) == {}
