"""The forms for fp16 keep the function and the weights, and stay far from fp16's limit even on activations a hundredfold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from evit_mobile.images.data import calibration_images, preprocess_for
from evit_mobile.models import build_model
from evit_mobile.reference import load_reference, randomise
from evit_mobile.rewrites import rewrite, rewrite_for_half
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.cascaded_attention import StaticCascadedAttention
from evit_mobile.rewrites.half_cascaded_attention import HalfHead
from evit_mobile.rewrites.half_linear_attention import HalfLinearAttention
from evit_mobile.rewrites.linear_attention import StaticLinearAttention
from evit_mobile.rewrites.surgery import captured_inputs
from evit_mobile.spec import CLASSIFIERS, find_spec

FP16_MAX = 65504.0
LIMIT = FP16_MAX / 8
TRAINED = ("efficientvit_m0", "efficientvit_b0")


def random_model(name: str, size: tuple[int, int]) -> nn.Module:
    torch.manual_seed(0)
    model = build_model(find_spec(name, size=size, num_classes=7))
    randomise(model, size)
    return model


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_m1", "efficientvit_b0"])
def test_the_function_is_kept_on_other_images(name: str) -> None:
    probe, other = torch.randn(2, 2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    plain, _ = rewrite(random_model(name, (96, 96)), probe)
    half, log = rewrite_for_half(plain, probe)
    assert log.places > 0
    with torch.no_grad():
        assert relative_error(half(other), plain(other)) < 1e-4


def test_weights_are_shared_with_the_plain_form() -> None:
    for name in TRAINED:
        probe = torch.randn(2, 3, 96, 96)
        plain, _ = rewrite(random_model(name, (96, 96)), probe)
        half, _ = rewrite_for_half(plain, probe)
        ours, theirs = half.state_dict(), plain.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CLASSIFIERS, "efficientvit_l0"])
def test_no_intermediate_of_attention_comes_near_the_limit(name: str) -> None:
    """On calibration images, the probe images of the rewrite not among them, and on a hundred times what attention gets there.

    Random weights let some feature maps grow so large that a hundred times as much is at the limit before attention begins; these are
    enlarged less.
    """
    trained = name in TRAINED
    reference = load_reference(name, weights="bundled" if trained else "random", size=None if trained else (96, 96))
    images = calibration_images(None, preprocess_for(reference.spec, bundled=True), seed=0).first(6)
    probe, others = torch.from_numpy(images).split([4, 2])
    with torch.no_grad():
        model, _ = rewrite_for_half(rewrite(reference.module, probe)[0], probe)
        for attention, x in attention_inputs(model, others):
            hundredfold = min(100.0, LIMIT / 2 / float(x.abs().max()))
            assert not trained or hundredfold == 100.0
            for gain in (1.0, hundredfold):
                assert largest_intermediate(attention, gain * x) < LIMIT


@pytest.mark.slow
def test_the_gate_above_sees_the_plain_forms_overflow() -> None:
    for name in TRAINED:
        reference = load_reference(name)
        images = calibration_images(None, preprocess_for(reference.spec, bundled=True), seed=0).first(2)
        probe = torch.from_numpy(images)
        with torch.no_grad():
            model, _ = rewrite(reference.module, probe)
            peaks = [largest_intermediate(attention, 100 * x) for attention, x in attention_inputs(model, probe)]
        assert max(peaks) > FP16_MAX


def attention_inputs(model: nn.Module, images: torch.Tensor) -> Iterator[tuple[nn.Module, torch.Tensor]]:
    """Every attention module with the first of the feature maps that `images` give it."""
    found = 0
    for kind in (StaticCascadedAttention, StaticLinearAttention, HalfLinearAttention):
        for attention, x in captured_inputs(model, kind, images).items():
            found += 1
            yield attention, x[:1]
    assert found > 1


def largest_intermediate(attention: nn.Module, x: torch.Tensor) -> float:
    """The largest magnitude of any operation's result."""
    peaks = []

    class Watcher(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> object:
            value = super().run_node(n)
            if n.op == "call_function":
                peaks.append(float(value.abs().max()))
            return value

    program = torch.export.export(attention, (x,)).module()
    assert isinstance(program, torch.fx.GraphModule)
    Watcher(program).run(x)
    return max(peaks)


def half_attention(gain: float) -> tuple[nn.Module, torch.Tensor]:
    """A linear attention of b0 for fp16, and a feature map for it."""
    model = random_model("efficientvit_b0", (96, 96))
    probe = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        half, _ = rewrite_for_half(rewrite(model, probe)[0], probe)
        attention, x = next(iter(captured_inputs(half, HalfLinearAttention, probe).items()))
    return attention, gain * x


@pytest.mark.parametrize("gain", [1e-3, 1.0, 100.0])
def test_attention_computed_in_fp16_agrees(gain: float) -> None:
    """Not a bound but the arithmetic itself: every operation in fp16."""
    attention, x = half_attention(gain)
    with torch.no_grad():
        expected = attention(x)
        actual = attention.half()(x.half()).float()
    assert relative_error(actual, expected) < 0.02


def test_scores_beyond_fp16_still_give_a_distribution() -> None:
    probe = torch.randn(2, 3, 96, 96)
    half, _ = rewrite_for_half(rewrite(random_model("efficientvit_m0", (96, 96)), probe)[0], probe)
    head = next(module for module in half.modules() if isinstance(module, HalfHead))
    q = torch.full((1, 16, 4), 300.0)
    k = torch.tensor([300.0, -300.0, 0.5, 0.0]).expand(1, 16, 4)
    assert float((q.transpose(1, 2) @ k).abs().max()) > FP16_MAX
    weights = head.scores(q, k).softmax(-1)
    assert np.allclose(weights[0, 0], [1, 0, 0, 0])
    assert torch.isfinite(head.half().scores(q.half(), k.half())).all()
