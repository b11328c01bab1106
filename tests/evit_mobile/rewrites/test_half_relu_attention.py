"""ReLU attention for fp16: the same function, and bounded."""

from __future__ import annotations

import pytest
import torch

from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm
from evit_mobile.rewrites.half_relu_attention import HalfReluHead, rewrite_half_relu_attention
from evit_mobile.rewrites.relu_attention import StaticReluHead, rewrite_relu_attention
from evit_mobile.rewrites.surgery import captured_inputs
from tests.evit_mobile.rewrites.rewritten import (
    FP16_MAX,
    largest_intermediate,
    with_relu_attention,
)


def test_both_forms_are_one_function_even_for_vanishing_and_for_large_activations() -> None:
    model, probe = with_relu_attention((224, 224))
    fold_batch_norm(model, probe)
    with torch.no_grad():
        rewrite_relu_attention(model, probe)
        heads = [module for module in model.modules() if type(module) is StaticReluHead]
        inputs = captured_inputs(model, StaticReluHead, probe)
        for head in heads:
            for gain in (0.0, 1.0, 30.0):
                x = gain * inputs[head]
                assert relative_error(HalfReluHead(head)(x), head(x)) < 1e-4


@pytest.mark.parametrize("gain", [1.0, 100.0])
def test_the_form_for_fp16_stays_far_from_its_limit(gain: float) -> None:
    for head, x in half_heads():
        assert largest_intermediate(head, gain * x) < FP16_MAX / 8


def test_the_plain_form_would_overflow_there() -> None:
    """The gate above can fail."""
    largest = 0.0
    for head, x in half_heads():
        q, k, v = (t.flatten(2) for t in head.projections(100 * x))
        products = torch.cat([v @ k.transpose(1, 2), k.mean(2, keepdim=True).transpose(1, 2)], dim=1) @ q
        largest = max(largest, float(products.abs().max()))
    assert largest > FP16_MAX


@torch.no_grad()
def half_heads() -> list[tuple[HalfReluHead, torch.Tensor]]:
    """A head of every stage in its form for fp16, with its input for two images."""
    model, probe = with_relu_attention((224, 224))
    fold_batch_norm(model, probe)
    rewrite_relu_attention(model, probe)
    rewrite_half_relu_attention(model, probe)
    inputs = captured_inputs(model, HalfReluHead, probe)
    heads = [module for module in model.modules() if isinstance(module, HalfReluHead)]
    return [(head, inputs[head]) for head in heads[3::8]]
