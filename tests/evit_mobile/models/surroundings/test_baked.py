"""The private copy computes what the module computes, with plain weights and no wrappers, and shares nothing with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.baked import baked, unwrapped, without_classes

pytestmark = pytest.mark.filterwarnings("ignore:.*_norm:FutureWarning", "ignore::DeprecationWarning")


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def test_the_copy_is_in_fp32_and_eval_mode_and_the_module_as_it_was() -> None:
    module = layers().half().train()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    copy = baked(module)
    assert not any(child.training for child in copy.modules())
    assert {p.dtype for p in copy.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in copy.parameters())
    for parameter in copy.parameters():
        parameter.zero_()
    assert module.training
    assert all(p.requires_grad and p.dtype is torch.float16 for p in module.parameters())
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


def pruned(layer: nn.Module) -> None:
    prune.l1_unstructured(layer, "weight", 0.5)


def pruned_twice(layer: nn.Module) -> None:
    pruned(layer)
    prune.random_unstructured(layer, "bias", 1)


WAYS: list[Callable[[Any], object]] = [
    pruned,
    pruned_twice,
    weight_norm,
    spectral_norm,
    parametrizations.weight_norm,
    parametrizations.spectral_norm,
    parametrizations.orthogonal,
]


@pytest.mark.parametrize("change", WAYS)
def test_computed_weights_become_parameters(change: Callable[[nn.Module], object]) -> None:
    module, x = layers(), torch.randn(2, 3, 4, 4)
    plain = set(module.state_dict())
    for place in (0, 3):
        change(module[place])
    module.eval()
    expected = module(x)
    copy = baked(module)
    assert set(copy.state_dict()) == plain
    assert {name for name, _ in copy.named_parameters()} == {name for name, _ in layers().named_parameters()}
    assert torch.allclose(copy(x), expected, atol=1e-6)
    assert set(module.state_dict()) - plain  # the module keeps its parts
    assert torch.equal(module(x), expected)


def test_the_class_of_a_parametrized_layer_stays_the_modules_own() -> None:
    """Its weight is a property of a class that torch makes for it."""
    module = layers()
    parametrizations.weight_norm(module[3])
    copy = baked(module)
    assert parametrize.is_parametrized(module[3])
    assert not parametrize.is_parametrized(copy[3])
    module[3].parametrizations.weight.original0.data.mul_(2)
    assert torch.allclose(module[3].weight, 2 * copy[3].weight)


def test_wrappers_are_taken_off_at_any_depth() -> None:
    inner = nn.ReLU()
    compiled = torch.compile(inner, backend="eager")
    assert unwrapped(inner) is inner
    assert unwrapped(nn.DataParallel(nn.DataParallel(inner))) is inner
    assert unwrapped(nn.DataParallel(compiled)) is inner
    whole = unwrapped(nn.Sequential(nn.DataParallel(nn.Sequential(compiled)), nn.Flatten()))
    assert whole[0][0] is inner


def test_what_autograd_computed_beside_the_parameters_is_copied() -> None:
    """deepcopy refuses it."""
    module = layers()
    module[3].scaled = module[3].weight * 2
    copy = baked(module)
    assert torch.equal(copy[3].scaled, 2 * copy[3].weight)
    assert copy[3].scaled is not module[3].scaled


class Uncopied(nn.Module):
    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        raise TypeError("cannot pickle a socket")


def test_what_cannot_be_copied_is_refused_with_the_reason() -> None:
    with pytest.raises(CheckpointError, match="a Sequential that cannot be copied: cannot pickle a socket") as refusal:
        baked(nn.Sequential(Uncopied()))
    assert "state_dict" in refusal.value.do


def test_modules_of_python_classes_can_be_looked_into() -> None:
    assert without_classes(layers()) is None
    assert without_classes(torch.jit.script(nn.ReLU())) == "a TorchScript module"
