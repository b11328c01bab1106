"""The blocks of MIT's models, against the paper's formulas written out, and the order in which stages have them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.families.mit import MitArchitecture, SegmentationHead
from evit_mobile.models.layers import GeluTanh
from evit_mobile.models.mit import (
    AttentionBlock,
    BicubicUpsample,
    ClassifierHead,
    EfficientViTMit,
    EfficientViTSegmenter,
    FusedMBConv,
    LiteMLA,
    MBConv,
    ResidualBlock,
    SegmenterHead,
    Stage,
    base_stage,
    build,
    large_stage,
)
from evit_mobile.spec import find_spec
from tests.oracles import randomise

B = MitArchitecture(widths=(4, 8, 12, 16, 32), depths=(1, 2, 2, 2, 2), head_dim=8, head=(6, 10))
L = MitArchitecture(widths=(4, 8, 12, 16, 32), depths=(2, 1, 1, 2, 2), head_dim=8, head=None, large=True)


def test_linear_attention_is_the_papers_sum() -> None:
    """Two heads at two scales, token by token."""
    torch.manual_seed(0)
    attention = LiteMLA(8, 4, attention_eps=1e-3, norm_eps=1e-5).eval().requires_grad_(False)
    attention.proj = nn.Identity()
    x = torch.randn(1, 8, 2, 3)
    qkv = attention.qkv(x)
    channels = torch.cat([qkv, attention.aggreg[0](qkv)], 1).flatten(2)[0]  # of a head of a scale q, k and v, 4 each
    out = attention(x).flatten(2)[0]
    for head in range(4):
        q, k, v = channels[12 * head : 12 * head + 12].split(4)
        for i in range(6):
            likeness = [float(q[:, i].relu() @ k[:, j].relu()) for j in range(6)]
            mean = sum(s * v[:, j] for j, s in enumerate(likeness)) / (sum(likeness) + 1e-3)
            assert torch.allclose(out[4 * head : 4 * head + 4, i], mean, atol=1e-5)


def test_a_residual_block_adds_its_input_unless_it_changes_the_shape() -> None:
    x = torch.randn(1, 2, 3, 3)
    assert torch.equal(ResidualBlock(nn.ReLU())(x), x.relu() + x)
    assert torch.equal(ResidualBlock(nn.ReLU(), shortcut=False)(x), x.relu())


@pytest.mark.parametrize("fewer_norm", [True, False])
def test_an_inverted_residual_has_a_norm_or_a_bias_in_its_first_layers(fewer_norm: bool) -> None:
    block = MBConv(4, 6, 2, 3, 1e-3, nn.Hardswish, fewer_norm=fewer_norm).eval()
    layers = (block.inverted_conv, block.depth_conv, block.point_conv)
    assert [layer.conv.bias is not None for layer in layers] == [fewer_norm, fewer_norm, False]
    assert [type(layer.act) for layer in layers] == [nn.Hardswish, nn.Hardswish, nn.Identity]
    assert [layer.conv.groups for layer in layers] == [1, 12, 1]
    assert block(torch.zeros(1, 4, 8, 6)).shape == (1, 6, 4, 3)


def kinds(stage: Stage) -> list[str]:
    """What a stage's blocks are made of."""
    found = []
    for block in stage.blocks:
        assert isinstance(block, ResidualBlock | AttentionBlock)
        found.append(type(block).__name__ if isinstance(block, AttentionBlock) else type(block.main).__name__)
    return found


@pytest.mark.parametrize(
    ("index", "blocks"),
    [
        (0, ["MBConv", "MBConv"]),
        (1, ["MBConv", "MBConv"]),
        (2, ["MBConv", "AttentionBlock", "AttentionBlock"]),
        (3, ["MBConv", "AttentionBlock", "AttentionBlock"]),
    ],
)
def test_stages_of_b_attend_from_the_third_on(index: int, blocks: list[str]) -> None:
    stage = base_stage(index, 8, 16, 2, B)
    assert kinds(stage) == blocks
    assert stage.eval()(torch.zeros(1, 8, 4, 4)).shape == (1, 16, 2, 2)


@pytest.mark.parametrize(
    ("index", "blocks", "expanded"),
    [
        (0, ["FusedMBConv", "FusedMBConv", "FusedMBConv"], 16 * 8),
        (1, ["FusedMBConv", "FusedMBConv", "FusedMBConv"], 16 * 8),
        (2, ["MBConv", "MBConv", "MBConv"], 16 * 8),
        (3, ["MBConv", "AttentionBlock", "AttentionBlock"], 24 * 8),
    ],
)
def test_stages_of_l_attend_in_the_last_and_widen_on_the_way_down(index: int, blocks: list[str], expanded: int) -> None:
    stage = large_stage(index, 8, 16, 2, L)
    assert kinds(stage) == blocks
    down = stage.blocks[0].main
    assert isinstance(down, FusedMBConv | MBConv)
    assert down.point_conv.conv.in_channels == expanded
    assert stage.eval()(torch.zeros(1, 8, 4, 4)).shape == (1, 16, 2, 2)


def test_a_classifier_averages_over_the_grid_before_its_linear_layers() -> None:
    torch.manual_seed(0)
    head = randomise(ClassifierHead(4, (6, 10), B, nn.Hardswish, 3))
    assert isinstance(head, ClassifierHead)
    x = torch.randn(2, 4, 3, 5)
    with torch.no_grad():
        mean = head.in_conv(x).flatten(2).sum(2) / 15
        hidden = mean @ head.classifier[0].weight.T
        centred = hidden - hidden.mean(1, keepdim=True)
        normed = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        norm, last = head.classifier[1], head.classifier[4]
        assert torch.allclose(
            head(x),
            last(nn.functional.hardswish(normed * norm.weight + norm.bias)),
            atol=1e-5,
        )


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75, as torch's and OpenCV's."""
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_is_bicubic_between_the_centres_of_cells(factor: int) -> None:
    row = [1.0, 5.0, -2.0, 0.5]
    out = BicubicUpsample(factor)(torch.tensor(row).expand(1, 1, 4, 4))
    assert out.shape == (1, 1, 4 * factor, 4 * factor)
    for place in range(4 * factor):
        centre = (place + 0.5) / factor - 0.5
        first = math.floor(centre) - 1
        taps = [(row[min(max(cell, 0), 3)], cubic(centre - cell)) for cell in range(first, first + 4)]
        assert out[0, 0, 0, place].item() == pytest.approx(sum(value * weight for value, weight in taps), abs=1e-5)


FEATURES = [(12, 8), (16, 4), (32, 2)]
"""Channels and side of the last three stages."""


@pytest.mark.parametrize("final", [None, 2])
@pytest.mark.parametrize("architecture", [B, L], ids=["B", "L"])
def test_a_segmentation_head_sums_three_stages_on_the_finest_grid(
    architecture: MitArchitecture, final: int | None
) -> None:
    torch.manual_seed(0)
    head = SegmentationHead(width=6, depth=1, expansion=2, final_expansion=final)
    module = randomise(SegmenterHead(head, architecture, nn.Hardswish, 3))
    assert len(module.output) == (1 if final is None else 2)
    features = [torch.randn(1, dim, side, side) for dim, side in FEATURES]
    with torch.no_grad():
        out: Tensor = module(features)
        assert out.shape == (1, 3, 8, 8)
        for stage in range(3):
            other = [feature + (index == stage) for index, feature in enumerate(features)]
            assert not torch.allclose(module(other), out, atol=1e-3)


def test_the_large_models_have_full_convolutions_in_the_stem_and_gelu_throughout() -> None:
    large, small = EfficientViTMit(L, num_classes=32), EfficientViTMit(B, num_classes=3)
    assert [name for name, _ in large.stem.named_children()] == ["in_conv", "res0", "res1"]
    assert {type(m) for m in large.modules() if isinstance(m, nn.GELU | nn.Hardswish)} == {GeluTanh}
    assert {type(m) for m in small.modules() if isinstance(m, nn.GELU | nn.Hardswish)} == {nn.Hardswish}
    groups = [{m.groups for m in model.stem.res0.modules() if isinstance(m, nn.Conv2d)} for model in (large, small)]
    assert groups == [{1}, {1, 4}]
    with torch.no_grad():
        assert large.eval()(torch.zeros(1, 3, 64, 32)).shape == (1, 32, 2, 1)


def test_the_class_is_that_of_the_head() -> None:
    with torch.device("meta"):
        assert type(build(find_spec("efficientvit_b0"))) is EfficientViTMit
        assert type(build(find_spec("efficientvit_seg_b0_cityscapes"))) is EfficientViTSegmenter
    with pytest.raises(AssertionError):
        build(find_spec("efficientvit_m0"))
