"""MIT's EfficientViT B0-B3 and L0-L3: multi-scale ReLU linear attention, under a classifier, a segmentation head or none.

Cai et al., "EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense Prediction", arXiv 2205.14756.
Upstream: mit-han-lab/efficientvit efficientvit/models/nn/ops.py and models/efficientvit/{backbone,cls,seg}.py@de7d773.
Names follow timm.

Shapes: B batch, C channels, H x W feature grid, N = H*W tokens, h heads (over all scales), D width of a head.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.families.architecture import ModelSpec, Task
from evit_mobile.families.mit import MitArchitecture, SegmentationHead
from evit_mobile.models.hidden import Hidden
from evit_mobile.models.layers import ConvNormAct, GeluTanh

AGGREGATION_KERNEL = 5


class ResidualBlock(nn.Module):
    """x + main(x), or main(x) alone where the block changes the shape."""

    def __init__(self, main: nn.Module, *, shortcut: bool = True) -> None:
        super().__init__()
        self.main = main
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.main(x)
        return out + x if self.shortcut else out


class DSConv(nn.Sequential):
    """Depthwise separable convolution."""

    depth_conv: ConvNormAct
    point_conv: ConvNormAct

    def __init__(self, dim: int, norm_eps: float, activation: type[nn.Module]) -> None:
        depth = ConvNormAct(dim, dim, 3, groups=dim, norm_eps=norm_eps, activation=activation)
        point = ConvNormAct(dim, dim, norm_eps=norm_eps, activation=None)
        super().__init__(OrderedDict(depth_conv=depth, point_conv=point))


class ConvBlock(nn.Sequential):
    """Two full 3x3 convolutions, the stem block of the L variants."""

    def __init__(self, dim: int, norm_eps: float, activation: type[nn.Module]) -> None:
        conv1 = ConvNormAct(dim, dim, 3, norm_eps=norm_eps, activation=activation)
        conv2 = ConvNormAct(dim, dim, 3, norm_eps=norm_eps, activation=None)
        super().__init__(OrderedDict(conv1=conv1, conv2=conv2))


class MBConv(nn.Sequential):
    """Inverted residual. With `fewer_norm` the first two convolutions carry a bias instead of a norm."""

    inverted_conv: ConvNormAct
    depth_conv: ConvNormAct
    point_conv: ConvNormAct

    def __init__(
        self,
        in_dim: int,
        dim: int,
        stride: int,
        expansion: int,
        norm_eps: float,
        activation: type[nn.Module],
        *,
        fewer_norm: bool,
    ) -> None:
        hidden = in_dim * expansion
        inner_eps = None if fewer_norm else norm_eps
        super().__init__(
            OrderedDict(
                inverted_conv=ConvNormAct(in_dim, hidden, norm_eps=inner_eps, activation=activation),
                depth_conv=ConvNormAct(
                    hidden, hidden, 3, stride, groups=hidden, norm_eps=inner_eps, activation=activation
                ),
                point_conv=ConvNormAct(hidden, dim, norm_eps=norm_eps, activation=None),
            )
        )


class FusedMBConv(nn.Sequential):
    """Inverted residual whose expansion and depthwise convolution are one full 3x3 convolution."""

    def __init__(
        self, in_dim: int, dim: int, stride: int, expansion: int, norm_eps: float, activation: type[nn.Module]
    ) -> None:
        hidden = in_dim * expansion
        spatial = ConvNormAct(in_dim, hidden, 3, stride, norm_eps=norm_eps, activation=activation)
        point = ConvNormAct(hidden, dim, norm_eps=norm_eps, activation=None)
        super().__init__(OrderedDict(spatial_conv=spatial, point_conv=point))


class LiteMLA(nn.Module):
    """Multi-scale ReLU linear attention, paper eq. 2: O_i = relu(q_i) S / (relu(q_i) . z), with
    S = sum_j relu(k_j)^T v_j (D, D) and z = sum_j relu(k_j) (D), both shared by all tokens of a head.
    """

    def __init__(self, dim: int, head_dim: int, attention_eps: float, norm_eps: float) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.eps = attention_eps
        heads = dim // head_dim
        qkv = 3 * heads * head_dim
        self.qkv = nn.Sequential(OrderedDict(conv=nn.Conv2d(dim, qkv, 1, bias=False)))
        self.aggreg = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(qkv, qkv, AGGREGATION_KERNEL, padding=AGGREGATION_KERNEL // 2, groups=qkv, bias=False),
                    nn.Conv2d(qkv, qkv, 1, groups=3 * heads, bias=False),
                )
            ]
        )
        self.proj = ConvNormAct(2 * heads * head_dim, dim, norm_eps=norm_eps, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        qkv = self.qkv(x)
        scales = torch.cat([qkv, *(aggregate(qkv) for aggregate in self.aggreg)], dim=1)
        tokens = scales.reshape(batch, -1, 3 * self.head_dim, height * width).transpose(2, 3)  # (B, h, N, 3D)
        q, k, v = tokens.chunk(3, dim=-1)
        q, k = torch.relu(q), torch.relu(k)
        numerator = q @ (k.transpose(2, 3) @ v)  # (B, h, N, D)
        denominator = q @ k.sum(2, keepdim=True).transpose(2, 3)  # (B, h, N, 1)
        attended = numerator / (denominator + self.eps)
        out: Tensor = self.proj(attended.transpose(2, 3).reshape(batch, -1, height, width))
        return out


class AttentionBlock(nn.Module):
    """Linear attention for context, then an MBConv as feed-forward network (paper fig. 5)."""

    def __init__(self, dim: int, expansion: int, architecture: MitArchitecture, activation: type[nn.Module]) -> None:
        super().__init__()
        eps = architecture.norm_eps
        self.context_module = ResidualBlock(LiteMLA(dim, architecture.head_dim, architecture.attention_eps, eps))
        self.local_module = ResidualBlock(MBConv(dim, dim, 1, expansion, eps, activation, fewer_norm=True))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.local_module(self.context_module(x))
        return out


class Stage(nn.Module):
    """Blocks at one resolution; the first halves height and width."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(x)
        return out


def base_stage(index: int, in_dim: int, dim: int, depth: int, architecture: MitArchitecture) -> Stage:
    """Stage of a B variant: MBConv in stages 1-2, attention in stages 3-4. Downsampling counts as one of depth."""
    eps, attention = architecture.norm_eps, index >= 2
    blocks: list[nn.Module] = [
        ResidualBlock(MBConv(in_dim, dim, 2, 4, eps, nn.Hardswish, fewer_norm=attention), shortcut=False)
    ]
    if attention:
        blocks += [AttentionBlock(dim, 4, architecture, nn.Hardswish) for _ in range(depth)]
    else:
        blocks += [ResidualBlock(MBConv(dim, dim, 1, 4, eps, nn.Hardswish, fewer_norm=False)) for _ in range(depth - 1)]
    return Stage(blocks)


def large_stage(index: int, in_dim: int, dim: int, depth: int, architecture: MitArchitecture) -> Stage:
    """Stage of an L variant: FusedMBConv in stages 1-2, MBConv in stage 3, attention in stage 4."""
    eps, attention = architecture.norm_eps, index >= 3
    expansion = 24 if attention else 16
    if index < 2:
        down: nn.Module = FusedMBConv(in_dim, dim, 2, expansion, eps, GeluTanh)
        blocks: list[nn.Module] = [ResidualBlock(FusedMBConv(dim, dim, 1, 4, eps, GeluTanh)) for _ in range(depth)]
    else:
        down = MBConv(in_dim, dim, 2, expansion, eps, GeluTanh, fewer_norm=True)
        if attention:
            blocks = [AttentionBlock(dim, 6, architecture, GeluTanh) for _ in range(depth)]
        else:
            blocks = [ResidualBlock(MBConv(dim, dim, 1, 4, eps, GeluTanh, fewer_norm=True)) for _ in range(depth)]
    return Stage([ResidualBlock(down, shortcut=False), *blocks])


class ClassifierHead(nn.Module):
    """1x1 convolution, global average, two linear layers with a layer norm between: (B, C, H, W) -> (B, classes)."""

    def __init__(
        self,
        dim: int,
        widths: tuple[int, int],
        architecture: MitArchitecture,
        activation: type[nn.Module],
        num_classes: int,
    ) -> None:
        super().__init__()
        self.in_conv = ConvNormAct(dim, widths[0], norm_eps=architecture.head_norm_eps, activation=activation)
        self.classifier = nn.Sequential(
            nn.Linear(widths[0], widths[1], bias=False),
            nn.LayerNorm(widths[1], eps=architecture.norm_eps),
            activation(),
            nn.Identity(),  # upstream's dropout; keeps timm's numbering
            nn.Linear(widths[1], num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.in_conv(x).mean((2, 3)))
        return out


class BicubicUpsample(nn.Module):
    """(B, C, H, W) -> (B, C, factor*H, factor*W), corners not aligned."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.factor, mode="bicubic", align_corners=False)


class SegmenterHead(nn.Module):
    """Features of the last three stages at strides 8, 16 and 32 -> logits (B, classes, H/8, W/8)."""

    def __init__(
        self, head: SegmentationHead, architecture: MitArchitecture, activation: type[nn.Module], num_classes: int
    ) -> None:
        super().__init__()
        eps, width = architecture.norm_eps, head.width
        self.inputs = nn.ModuleList(
            ConvNormAct(dim, width, norm_eps=eps, activation=None) for dim in architecture.widths[2:]
        )
        self.upsample = nn.ModuleList((nn.Identity(), BicubicUpsample(2), BicubicUpsample(4)))
        block: Callable[[], nn.Module] = (
            (lambda: FusedMBConv(width, width, 1, head.expansion, eps, activation))
            if architecture.large
            else (lambda: MBConv(width, width, 1, head.expansion, eps, activation, fewer_norm=False))
        )
        self.middle = nn.Sequential(*(ResidualBlock(block()) for _ in range(head.depth)))
        expanded = width * (head.final_expansion or 1)
        output: list[nn.Module] = [ConvNormAct(expanded, num_classes, norm_eps=None, activation=None)]
        if head.final_expansion is not None:
            output.insert(0, ConvNormAct(width, expanded, norm_eps=eps, activation=activation))
        self.output = nn.Sequential(*output)

    def forward(self, features: list[Tensor]) -> Tensor:
        eighth, sixteenth, thirty_second = (
            upsample(project(x)) for project, upsample, x in zip(self.inputs, self.upsample, features, strict=True)
        )
        out: Tensor = self.output(self.middle(thirty_second + sixteenth + eighth))
        return out


class EfficientViTMit(nn.Module):
    """B or L: (B, 3, H, W) float -> logits (B, classes), or the last stage's features (B, C, H/32, W/32).

    H and W are multiples of 32.
    """

    def __init__(self, architecture: MitArchitecture, *, num_classes: int) -> None:
        super().__init__()
        eps = architecture.norm_eps
        activation: type[nn.Module] = GeluTanh if architecture.large else nn.Hardswish
        stem_block, make_stage = (ConvBlock, large_stage) if architecture.large else (DSConv, base_stage)
        dim, depth = architecture.widths[0], architecture.depths[0]
        self.stem = nn.Sequential(
            OrderedDict(
                [("in_conv", ConvNormAct(3, dim, 3, 2, norm_eps=eps, activation=activation))]
                + [(f"res{i}", ResidualBlock(stem_block(dim, eps, activation))) for i in range(depth)]
            )
        )
        stages = []
        for index, (width, depth) in enumerate(zip(architecture.widths[1:], architecture.depths[1:], strict=True)):
            stages.append(make_stage(index, dim, width, depth, architecture))
            dim = width
        self.stages = nn.Sequential(*stages)
        match architecture.head:
            case SegmentationHead() as head:
                self.head: nn.Module = SegmenterHead(head, architecture, activation, num_classes)
            case None:
                self.head = nn.Identity()
            case widths:
                self.head = ClassifierHead(dim, widths, architecture, activation, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(self.stem(x)))
        return out


class EfficientViTSegmenter(EfficientViTMit):
    """B or L with a segmentation head: (B, 3, H, W) float -> logits (B, classes, H/8, W/8)."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        features = [x := stage(x) for stage in self.stages]
        out: Tensor = self.head(features[1:])
        return out


HIDDEN: tuple[Hidden, ...] = (
    Hidden(block=ConvBlock, gives=("conv1",), takes=("conv2",)),
    Hidden(block=MBConv, gives=("inverted_conv",), along=("depth_conv",), takes=("point_conv",)),
    Hidden(block=FusedMBConv, gives=("spatial_conv",), takes=("point_conv",)),
    Hidden(
        block=LiteMLA, gives=("qkv.conv",), along=("aggreg.0.0", "aggreg.0.1"), takes=("proj",), share=Fraction(2, 3)
    ),
    Hidden(block=SegmenterHead, gives=("output.0",), takes=("output.1",)),
)
"""Channels within blocks. Those of an attention are q, k and v of all its heads; what it projects has v's channels at two scales."""


def build(spec: ModelSpec) -> EfficientViTMit:
    """The reference model of a spec of this family, freshly initialised."""
    assert isinstance(spec.architecture, MitArchitecture)
    kind = EfficientViTSegmenter if spec.architecture.task is Task.SEGMENTATION else EfficientViTMit
    return kind(spec.architecture, num_classes=spec.num_classes)
