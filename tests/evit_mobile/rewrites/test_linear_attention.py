"""Linear attention as two products, with the reference's eps."""

from __future__ import annotations

import torch
from torch import nn

from evit_mobile.models.mit import LiteMLA
from evit_mobile.rewrites import rewrite
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.fold_batch_norm import folded_convolution
from evit_mobile.rewrites.linear_attention import StaticLinearAttention, rewrite_linear_attention
from tests.evit_mobile.rewrites.rewritten import (
    model_and_probe,
    operations,
)


def test_linear_attention_neither_pads_nor_slices() -> None:
    rewritten, probe = rewrite(*model_and_probe("efficientvit_b0"))[0], torch.zeros(1, 3, 96, 96)
    assert not any(isinstance(module, LiteMLA) for module in rewritten.modules())
    found = operations(rewritten, probe)
    for gone in ("pad", "chunk", "batch_norm"):
        assert not any(gone in operation for operation in found), gone
    # One product gives numerator and denominator; only they are taken apart.
    attentions = sum(isinstance(module, StaticLinearAttention) for module in rewritten.modules())
    assert sum("slice" in operation for operation in found) == sum("div" in operation for operation in found) * 2
    assert sum("matmul" in operation for operation in found) == 2 * attentions > 0


def test_linear_attention_keeps_the_references_eps() -> None:
    """Weights so small that the divisor is of the size of eps: without it the outputs would be others altogether."""
    torch.manual_seed(0)
    attention = LiteMLA(32, 16, attention_eps=1e-5, norm_eps=1e-5).eval().requires_grad_(False)
    attention.qkv.conv.weight.mul_(2e-3)
    model = nn.Sequential(attention)
    probe = torch.randn(2, 32, 7, 7)
    expected = model(probe)
    attention.eps = 0.0
    without = model(probe)
    attention.eps = 1e-5
    assert relative_error(without, expected) > 0.01
    projection = attention.proj
    projection.conv, projection.norm = folded_convolution(projection.conv, projection.norm), nn.Identity()
    rewrite_linear_attention(model, probe)
    assert relative_error(model(probe), expected) < 1e-5
