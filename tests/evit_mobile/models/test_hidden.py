"""A block gets other channels within: every layer that gives, carries or takes them fits again, and what it cannot have is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn

from evit_mobile.models.hidden import Hidden, convolution_of, give, renew, take
from evit_mobile.models.layers import ConvNorm, ConvNormAct
from evit_mobile.models.mit import LiteMLA, MBConv

INVERTED = Hidden(block=MBConv, gives=("inverted_conv",), along=("depth_conv",), takes=("point_conv",))
ATTENTION = Hidden(
    block=LiteMLA, gives=("qkv.conv",), along=("aggreg.0.0", "aggreg.0.1"), takes=("proj",), share=Fraction(2, 3)
)


def attention() -> LiteMLA:
    """Two heads of 4 channels."""
    return LiteMLA(8, 4, 1e-5, 1e-5).eval()


@pytest.mark.parametrize("count", [1, 10, 50])
def test_a_block_computes_with_the_channels_that_it_was_given(count: int) -> None:
    block = MBConv(4, 6, 2, 3, 1e-3, nn.Hardswish, fewer_norm=False).eval()
    INVERTED.resize(block, count)
    assert block.inverted_conv.conv.weight.shape == (count, 4, 1, 1)
    assert block.depth_conv.conv.weight.shape == (count, 1, 3, 3)
    assert block.depth_conv.conv.groups == count
    assert block.point_conv.conv.weight.shape == (6, count, 1, 1)
    with torch.no_grad():
        assert block(torch.randn(1, 4, 6, 6)).isfinite().all()


def test_a_norm_keeps_its_eps_and_gets_its_channels() -> None:
    block = MBConv(4, 6, 1, 3, 1e-3, nn.Hardswish, fewer_norm=False)
    INVERTED.resize(block, 5)
    norms = [block.inverted_conv.norm, block.depth_conv.norm, block.point_conv.norm]
    assert [norm.num_features for norm in norms if isinstance(norm, nn.BatchNorm2d)] == [5, 5, 6]
    assert [norm.eps for norm in norms if isinstance(norm, nn.BatchNorm2d)] == [1e-3] * 3


def test_an_attention_loses_or_gains_whole_heads() -> None:
    for heads in (1, 3):
        block = attention()
        ATTENTION.resize(block, 3 * 4 * heads)
        assert block.aggreg[0][1].groups == 3 * heads
        assert block.proj.conv.in_channels == 2 * 4 * heads
        with torch.no_grad():
            assert block(torch.randn(1, 8, 3, 3)).shape == (1, 8, 3, 3)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 channels"), (-3, "-3 channels"), (25, "25 channels"), (18, "18 channels in groups of 4")],
)
def test_numbers_that_a_block_cannot_have_are_refused(count: int, words: str) -> None:
    """None, none that two thirds can be taken of, none of whole heads."""
    with pytest.raises(ValueError, match=rf"^{words}$"):
        ATTENTION.resize(attention(), count)


def test_the_convolution_of_a_layer_is_found() -> None:
    pair, layer, plain = ConvNorm(3, 4), ConvNormAct(3, 4, norm_eps=None, activation=None), nn.Conv2d(3, 4, 1)
    assert [convolution_of(one) for one in (pair, layer, plain)] == [pair.conv, layer.conv, plain]
    with pytest.raises(AssertionError):
        convolution_of(nn.Linear(3, 4))


def test_giving_and_taking_keep_the_kernel_and_the_bias() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 6, 3, padding=1, groups=2)
    give(convolution, convolution, 10)
    take(convolution, 8)
    assert (convolution.groups, convolution.weight.shape) == (4, (10, 2, 3, 3))  # groups of two channels as before
    assert convolution.bias is not None
    assert convolution.bias.shape == (10,)


def test_fresh_weights_are_drawn_and_not_what_lay_in_memory() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 64, 3)
    convolution.out_channels = 32
    renew(convolution)
    bound = (4 * 9) ** -0.5  # as torch draws them: within 1 / sqrt(inputs)
    for drawn in convolution.parameters():
        assert drawn.shape[0] == 32
        assert 0.8 * bound < drawn.abs().max() <= bound
