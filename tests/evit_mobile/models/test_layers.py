"""The layers that both families share, against their formulas; their names are those that timm's files have."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evit_mobile.models.layers import ConvNorm, ConvNormAct, GeluTanh, NormLinear, SqueezeExcite
from tests.oracles import randomise

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def names(module: nn.Module) -> set[str]:
    return set(module.state_dict())


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (7, 1)])
def test_a_convolution_is_padded_by_half_its_kernel_and_then_normed(kernel: int, stride: int) -> None:
    layer, x = randomise(ConvNorm(4, 6, kernel, stride, groups=2)), torch.randn(2, 4, 9, 8)
    assert names(layer) == {"conv.weight", *(f"bn.{name}" for name in NORM)}
    bn = layer.bn
    y = F.conv2d(x, layer.conv.weight, stride=stride, padding=(kernel - 1) // 2, groups=2)
    mean, var, scale, shift = (t[:, None, None] for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias))
    with torch.no_grad():
        assert torch.allclose(layer(x), (y - mean) / (var + 1e-5).sqrt() * scale + shift, atol=1e-5)
    assert layer(x).shape[2:] == (math.ceil(9 / stride), math.ceil(8 / stride))


def test_a_residual_branch_can_begin_with_nothing() -> None:
    assert not ConvNorm(2, 3, gamma=0.0).bn.weight.any()
    assert torch.equal(ConvNorm(2, 3).bn.weight, torch.ones(3))


def test_features_are_normed_before_the_linear_layer() -> None:
    layer, x = randomise(NormLinear(5, 3)), torch.randn(4, 5)
    assert names(layer) == {"linear.weight", "linear.bias", *(f"bn.{name}" for name in NORM)}
    bn = layer.bn
    normed = (x - bn.running_mean) / (bn.running_var + 1e-5).sqrt() * bn.weight + bn.bias
    with torch.no_grad():
        assert torch.allclose(layer(x), normed @ layer.linear.weight.T + layer.linear.bias, atol=1e-6)


def test_channels_are_gated_by_their_means() -> None:
    layer, x = SqueezeExcite(4, 2), torch.randn(2, 4, 3, 5)
    with torch.no_grad():
        out = layer(x)
        for image in range(2):
            mean = x[image].flatten(1).sum(1) / 15
            hidden = (layer.fc1.weight[:, :, 0, 0] @ mean + layer.fc1.bias).clamp_min(0)
            gate = 1 / (1 + torch.exp(-(layer.fc2.weight[:, :, 0, 0] @ hidden + layer.fc2.bias)))
            assert torch.allclose(out[image], x[image] * gate[:, None, None], atol=1e-6)


def test_a_layer_activates_what_it_has_normed() -> None:
    layer, x = randomise(ConvNormAct(3, 4, 3, 2, norm_eps=0.5, activation=nn.ReLU)), torch.randn(1, 3, 7, 7)
    assert names(layer) == {"conv.weight", *(f"norm.{name}" for name in NORM)}
    bn = layer.norm
    mean, var, scale, shift = (t[:, None, None] for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias))
    normed = (F.conv2d(x, layer.conv.weight, stride=2, padding=1) - mean) / (var + 0.5).sqrt() * scale + shift
    with torch.no_grad():
        assert torch.allclose(layer(x), normed.clamp_min(0), atol=1e-5)
    assert (normed < 0).any()


def test_without_a_norm_the_convolution_has_a_bias() -> None:
    layer, x = ConvNormAct(3, 4, norm_eps=None, activation=None), torch.randn(1, 3, 2, 2)
    assert names(layer) == {"conv.weight", "conv.bias"}
    with torch.no_grad():
        assert torch.equal(layer(x), layer.conv(x))


@pytest.mark.parametrize("x", [-3.0, -1.0, 0.0, 0.5, 2.0])
def test_gelu_is_in_its_tanh_form(x: float) -> None:
    expected = 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert GeluTanh()(torch.tensor(x)).item() == pytest.approx(expected, abs=1e-6)
    if x == -1.0:
        assert expected != pytest.approx(0.5 * x * (1 + math.erf(x / math.sqrt(2))), abs=1e-5)  # the exact form
