"""The rewrites of int8-full: the same function, in operations that integers have."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from evit_mobile.errors import RewriteError
from evit_mobile.models.mit import ClassifierHead, LiteMLA
from evit_mobile.rewrites import apply, rewrite_for_integers
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.integer_attention import IntegerLinearAttention, scale_channels
from evit_mobile.rewrites.integer_layer_norm import rewrite_integer_layer_norm
from tests.evit_mobile.rewrites.test_rewrites import model_and_probe, operations


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0", "efficientvit_l1"])
def test_the_function_is_kept_on_other_images(name: str) -> None:
    model, probe = model_and_probe(name)
    rewritten, log = rewrite_for_integers(model, probe)
    other = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert relative_error(rewritten(other), model(other)) < 1e-4
    assert log.steps[0].places > 0


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


def test_layer_norm_alone() -> None:
    torch.manual_seed(0)
    model, _ = model_and_probe("efficientvit_b0")
    head = next(module for module in model.modules() if isinstance(module, ClassifierHead))
    norm = head.requires_grad_(False).classifier[1]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    expected = copy.deepcopy(head.classifier)
    rewrite_integer_layer_norm(model.requires_grad_(False), torch.zeros(0))
    x = torch.randn(4, expected[0].in_features) * 30
    assert relative_error(head.classifier[:2](x), expected[:2](x)) < 1e-5


def test_a_pass_that_changes_the_function_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_centring(model: nn.Module, probe: torch.Tensor) -> int:
        weights = [head.classifier[0].weight.clone() for head in model.modules() if isinstance(head, ClassifierHead)]
        places = rewrite_integer_layer_norm(model, probe)
        model.head.classifier[0].weight.copy_(weights[0])
        return places

    monkeypatch.setattr(apply, "INTEGER_PASSES", (*apply.INTEGER_PASSES[:-1], ("layer norm", without_centring)))
    with pytest.raises(RewriteError, match="layer norm"):
        rewrite_for_integers(*model_and_probe("efficientvit_b0"))


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
