"""ReLU attention's deployment form: the same function, no softmax, and bounded where floats are fp16."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from evit_mobile.models import build_model
from evit_mobile.models.relu_attention import ReluCascadedAttention
from evit_mobile.reference import randomise
from evit_mobile.rewrites import rewrite
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm
from evit_mobile.rewrites.half_relu_attention import HalfReluHead, rewrite_half_relu_attention
from evit_mobile.rewrites.relu_attention import StaticReluHead, rewrite_relu_attention
from evit_mobile.rewrites.surgery import captured_inputs
from evit_mobile.spec import Variation, find_spec
from tests.evit_mobile.rewrites.test_half import FP16_MAX, largest_intermediate
from tests.evit_mobile.rewrites.test_rewrites import operations


def model_and_probe(size: tuple[int, int] = (96, 96)) -> tuple[nn.Module, torch.Tensor]:
    """m0 with ReLU attention, random weights, and local convolutions that matter."""
    torch.manual_seed(0)
    model = build_model(replace(find_spec("efficientvit_m0", size=size), variation=Variation.RELU_ATTENTION))
    randomise(model, size)
    return model, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("size", [(96, 96), (224, 160)])
def test_the_function_is_kept_on_other_images(size: tuple[int, int]) -> None:
    model, probe = model_and_probe(size)
    rewritten, log = rewrite(model, probe)
    other = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert relative_error(rewritten(other), model(other)) < 1e-4
    assert {step.name: step.places for step in log.steps}["relu_attention"] == 6


def test_attention_contributes_to_the_outputs_compared() -> None:
    """Without that the test above would not notice a wrong attention."""
    model, probe = model_and_probe()
    model.requires_grad_(False)
    expected = model(probe)
    for attention in (m for m in model.modules() if isinstance(m, ReluCascadedAttention)):
        attention.dws[0].bn.bias.add_(1.0)
    assert relative_error(model(probe), expected) > 1e-3


def test_structure() -> None:
    model, probe = model_and_probe((224, 224))
    rewritten, _ = rewrite(model, probe)
    assert not any(isinstance(module, ReluCascadedAttention) for module in rewritten.modules())
    found = operations(rewritten, probe)
    for gone in ("softmax", "split", "chunk", "index", "permute", "expand", "batch_norm"):
        assert not any(gone in operation for operation in found), gone


def test_both_forms_are_one_function_even_for_vanishing_and_for_large_activations() -> None:
    model, probe = model_and_probe((224, 224))
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
    model, probe = model_and_probe((224, 224))
    fold_batch_norm(model, probe)
    rewrite_relu_attention(model, probe)
    rewrite_half_relu_attention(model, probe)
    inputs = captured_inputs(model, HalfReluHead, probe)
    heads = [module for module in model.modules() if isinstance(module, HalfReluHead)]
    return [(head, inputs[head]) for head in heads[3::8]]
