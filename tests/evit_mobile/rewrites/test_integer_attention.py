"""Linear attention for integers: the same function, scaled for int8."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from evit_mobile.models.mit import LiteMLA
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.integer_attention import IntegerLinearAttention, scale_channels


def attention() -> tuple[LiteMLA, torch.Tensor]:
    torch.manual_seed(0)
    return LiteMLA(32, 16, 1e-15, 1e-5).eval().requires_grad_(False), torch.randn(3, 32, 6, 5)


def show_heads(reference: LiteMLA) -> None:
    """Lets the projection give the heads' outputs as they are."""
    channels = reference.proj.conv.in_channels
    reference.proj = nn.Sequential(OrderedDict(conv=nn.Conv2d(channels, channels, 1, bias=False)))
    nn.init.dirac_(reference.proj.conv.weight.requires_grad_(False))


def test_v_and_the_weights_that_read_it_have_ranges_alike() -> None:
    reference, sample = attention()
    reference.proj.conv.weight[:, 3] *= 50
    static = IntegerLinearAttention.from_reference(reference, sample)
    attended = static.attend(sample).abs().amax((0, 3)).flatten()
    assert attended.allclose(static.proj.conv.weight.abs().amax((0, 2, 3)), rtol=1e-4)
    assert relative_error(static(sample), reference(sample)) < 1e-5


def test_linear_attention_alone_and_far_from_the_sample() -> None:
    reference, sample = attention()
    static = IntegerLinearAttention.from_reference(reference, sample)
    for scale in (1e-3, 1.0, 1e3):
        assert relative_error(static(sample * scale), reference(sample * scale)) < 1e-5


def test_k_is_scaled_to_mean_one_and_q_to_peak_one() -> None:
    reference, sample = attention()
    static = IntegerLinearAttention.from_reference(reference, sample)
    means = torch.relu(static.key(sample)).mean(3).amax(0)
    assert means.max() == pytest.approx(1, abs=1e-5)
    assert torch.relu(static.query(sample)).amax((0, 2, 3)).allclose(torch.ones(means.shape[0]), atol=1e-5)


def test_scaling_channels_scales_exactly_these() -> None:
    static = IntegerLinearAttention(attention()[0])
    x = torch.randn(1, 32, 6, 5)
    before = static.key(x)
    factors = torch.rand(before.shape[1:3]) + 0.5
    scale_channels(static.key, factors)
    assert relative_error(static.key(x), before * factors[:, :, None]) < 1e-5


def test_tokens_without_any_query_give_zero_as_the_reference_does() -> None:
    reference, sample = attention()
    show_heads(reference)
    reference.qkv.conv.weight[:16] = -reference.qkv.conv.weight[:16].abs()  # q of the first head
    sample = sample.abs()
    expected = reference(sample)
    assert not expected[:, :16].any()
    static = IntegerLinearAttention.from_reference(reference, sample)
    assert not static(sample)[:, :16].any()
    assert relative_error(static(sample), expected) < 1e-5


def test_tokens_whose_query_meets_no_key_give_zero_as_the_reference_does() -> None:
    reference, sample = attention()
    show_heads(reference)
    weight, sample = reference.qkv.conv.weight, sample.abs()
    weight[1:16] = -weight[1:16].abs()  # q of the first head: channel 0 only
    weight[0] = weight[0].abs()
    weight[16] = -weight[16].abs()  # k of the first head: all but channel 0
    expected = reference(sample)
    assert not expected[:, :16].any()
    static = IntegerLinearAttention.from_reference(reference, sample)
    assert static(sample)[:, :16].abs().max() < 1e-6 * expected.abs().max()
    assert relative_error(static(sample), expected) < 1e-5
