"""Linear attention for fp16: the function itself in fp16, far from its limit even on activations a hundredfold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from evit_mobile.images.data import calibration_images, preprocess_for
from evit_mobile.reference import load_reference
from evit_mobile.rewrites import rewrite, rewrite_for_half
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.cascaded_attention import StaticCascadedAttention
from evit_mobile.rewrites.half_linear_attention import HalfLinearAttention
from evit_mobile.rewrites.linear_attention import StaticLinearAttention
from evit_mobile.rewrites.surgery import captured_inputs
from evit_mobile.spec import CLASSIFIERS
from tests.evit_mobile.rewrites.rewritten import (
    FP16_MAX,
    LIMIT,
    TRAINED,
    largest_intermediate,
    random_model,
)


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
