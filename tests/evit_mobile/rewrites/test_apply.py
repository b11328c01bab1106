"""Every pass keeps the function and the reference, in all forms, and is caught when it does not."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from evit_mobile.errors import RewriteError
from evit_mobile.models.mit import ClassifierHead
from evit_mobile.rewrites import apply, rewrite, rewrite_for_half, rewrite_for_integers
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.integer_layer_norm import rewrite_integer_layer_norm
from tests.evit_mobile.rewrites.rewritten import (
    SLIM_L1,
    TRAINED,
    model_and_probe,
    operations,
    random_model,
)

L1 = pytest.param("efficientvit_l1", marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "name", ["efficientvit_m0", "efficientvit_m1", "efficientvit_b0", SLIM_L1, L1, "efficientvit_seg_b1_ade20k"]
)
@pytest.mark.parametrize("size", [(96, 96), pytest.param((224, 160), marks=pytest.mark.slow)])
def test_the_function_is_kept_on_other_images(name: str, size: tuple[int, int]) -> None:
    model, probe = model_and_probe(name, size)
    rewritten, log = rewrite(model, probe)
    other = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert relative_error(rewritten(other), model(other)) < 1e-4
    assert all(step.relative_error < 1e-4 for step in log.steps)
    assert log.steps[0].places > 0


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_m1", "efficientvit_b0"])
def test_the_form_for_fp16_keeps_it_too(name: str) -> None:
    probe, other = torch.randn(2, 2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    plain, _ = rewrite(random_model(name, (96, 96)), probe)
    half, log = rewrite_for_half(plain, probe)
    assert log.places > 0
    with torch.no_grad():
        assert relative_error(half(other), plain(other)) < 1e-4


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0", SLIM_L1, L1])
def test_the_form_for_integers_keeps_it_too(name: str) -> None:
    model, probe = model_and_probe(name)
    rewritten, log = rewrite_for_integers(model, probe)
    other = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert relative_error(rewritten(other), model(other)) < 1e-4
    assert log.steps[0].places > 0


def test_the_reference_is_left_as_it_was() -> None:
    model, probe = model_and_probe("efficientvit_b0")
    before = copy.deepcopy(model.state_dict())
    rewrite(model, probe)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.state_dict().keys() == before.keys()


def test_weights_are_shared_with_the_plain_form() -> None:
    for name in TRAINED:
        probe = torch.randn(2, 3, 96, 96)
        plain, _ = rewrite(random_model(name, (96, 96)), probe)
        half, _ = rewrite_for_half(plain, probe)
        ours, theirs = half.state_dict(), plain.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_no_division_no_logarithm_and_no_layer_norm_is_left() -> None:
    rewritten, _ = rewrite_for_integers(*model_and_probe("efficientvit_b0"))
    kinds = set(operations(rewritten, torch.zeros(1, 3, 96, 96)))
    assert not kinds & {
        "aten.div.Tensor",
        "aten.layer_norm.default",
        "aten.pow.Tensor_Scalar",
        "aten.reciprocal.default",
        "aten.log.default",
    }
    assert {"aten.amax.default", "aten.rsqrt.default", "aten.hardswish.default"} <= kinds


def test_a_pass_that_finds_nothing_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    model = nn.Sequential(nn.Conv2d(3, 3, 1))
    monkeypatch.setattr(nn.Sequential, "forward", lambda self, x: runs.append(1) or self[0](x))
    monkeypatch.setattr(apply, "PASSES", (("nothing", lambda *_: 0), ("one", lambda *_: 1), ("nothing", lambda *_: 0)))
    _, log = rewrite(model, torch.ones(1, 3, 2, 2))
    assert len(runs) == 2  # before all and after the one
    assert [step.places for step in log.steps] == [0, 1, 0]


def test_a_pass_that_changes_the_function_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotage(model: nn.Module, _probe: torch.Tensor) -> int:
        next(module for module in model.modules() if isinstance(module, nn.Conv2d)).weight.mul_(1.01)
        return 1

    monkeypatch.setattr(apply, "PASSES", (*apply.PASSES, ("sabotage", sabotage)))
    with pytest.raises(RewriteError, match="sabotage"):
        rewrite(*model_and_probe("efficientvit_m0"))


def test_a_pass_that_gives_nan_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotage(model: nn.Module, _probe: torch.Tensor) -> int:
        next(module for module in model.modules() if isinstance(module, nn.Conv2d)).weight.fill_(float("nan"))
        return 1

    monkeypatch.setattr(apply, "PASSES", (("sabotage", sabotage),))
    with pytest.raises(RewriteError, match="nan"):
        rewrite(*model_and_probe("efficientvit_m0"))


def test_a_pass_for_integers_that_changes_the_function_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_centring(model: nn.Module, probe: torch.Tensor) -> int:
        weights = [head.classifier[0].weight.clone() for head in model.modules() if isinstance(head, ClassifierHead)]
        places = rewrite_integer_layer_norm(model, probe)
        model.head.classifier[0].weight.copy_(weights[0])
        return places

    monkeypatch.setattr(apply, "INTEGER_PASSES", (*apply.INTEGER_PASSES[:-1], ("layer norm", without_centring)))
    with pytest.raises(RewriteError, match="layer norm"):
        rewrite_for_integers(*model_and_probe("efficientvit_b0"))
