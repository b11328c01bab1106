"""Microsoft's EfficientViT M0-M5: sandwich layout and cascaded group attention.

Liu et al., "EfficientViT: Memory Efficient Vision Transformer with Cascaded Group Attention", arXiv 2305.07027.
Upstream: microsoft/Cream EfficientViT/classification/model/efficientvit.py@4a13c40. Names follow timm.

Shapes: B batch, C channels, H x W feature grid, N = H*W tokens, h heads, K key width, V value width per head.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.families.architecture import ModelSpec
from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.hidden import Hidden, convolution_of, give, take
from evit_mobile.models.layers import ConvNorm, NormLinear, SqueezeExcite

PATCH_STRIDE = 16


class Residual(nn.Module):
    """x + m(x)."""

    def __init__(self, m: nn.Module) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.m(x)
        return out


class PatchEmbedding(nn.Sequential):
    """Overlapping patch embedding, four stride-2 convolutions: (B, 3, 16H, 16W) -> (B, C, H, W)."""

    def __init__(self, dim: int) -> None:
        super().__init__(
            OrderedDict(
                conv1=ConvNorm(3, dim // 8, 3, 2),
                relu1=nn.ReLU(),
                conv2=ConvNorm(dim // 8, dim // 4, 3, 2),
                relu2=nn.ReLU(),
                conv3=ConvNorm(dim // 4, dim // 2, 3, 2),
                relu3=nn.ReLU(),
                conv4=ConvNorm(dim // 2, dim, 3, 2),
            )
        )


class ConvMlp(nn.Module):
    """Feed-forward network as 1x1 convolutions, expansion 2."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pw1 = ConvNorm(dim, 2 * dim)
        self.pw2 = ConvNorm(2 * dim, dim, gamma=0.0)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pw2(torch.relu(self.pw1(x)))
        return out


class PatchMerging(nn.Module):
    """Downsampling by an inverted residual with squeeze-excite: (B, C, H, W) -> (B, C', ceil(H/2), ceil(W/2))."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        hidden = 4 * dim
        self.conv1 = ConvNorm(dim, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, 2, groups=hidden)
        self.se = SqueezeExcite(hidden, dim)
        self.conv3 = ConvNorm(hidden, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        out: Tensor = self.conv3(self.se(x))
        return out


def attention_bias_index(resolution: int) -> Tensor:
    """(N, N) index into a head's table of `resolution**2` biases, by absolute row and column offset of two tokens.

    Upstream numbers the offsets in the order in which token (0, 0) meets them, which is row-major.
    """
    position = torch.arange(resolution, device="cpu")  # a constant, needed also where the model is built on "meta"
    row, column = (grid.flatten() for grid in torch.meshgrid(position, position, indexing="ij"))
    return (row[:, None] - row[None]).abs() * resolution + (column[:, None] - column[None]).abs()


class CascadedGroupAttention(nn.Module):
    """Paper eq. 3-4: each head sees its slice of the channels plus the output of the head before it."""

    attention_bias_idxs: Tensor

    def __init__(self, dim: int, key_dim: int, num_heads: int, resolution: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = dim // num_heads
        self.resolution = resolution
        self.qkvs = nn.ModuleList(ConvNorm(dim // num_heads, 2 * key_dim + self.value_dim) for _ in range(num_heads))
        self.dws = nn.ModuleList(ConvNorm(key_dim, key_dim, kernels[i], groups=key_dim) for i in range(num_heads))
        self.proj = nn.Sequential(nn.ReLU(), ConvNorm(self.value_dim * num_heads, dim, gamma=0.0))
        self.attention_biases = nn.Parameter(torch.zeros(num_heads, resolution**2))
        self.register_buffer("attention_bias_idxs", attention_bias_index(resolution), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W) with H = W = `resolution`."""
        batch, _, height, width = x.shape
        slices = x.chunk(self.num_heads, dim=1)
        outputs: list[Tensor] = []
        for head, (qkv, dws) in enumerate(zip(self.qkvs, self.dws, strict=True)):
            feature = slices[head] if head == 0 else slices[head] + outputs[-1]
            q, k, v = qkv(feature).split([self.key_dim, self.key_dim, self.value_dim], dim=1)
            q = dws(q) * self.key_dim**-0.5
            q, k, v = q.flatten(2), k.flatten(2), v.flatten(2)  # (B, K or V, N)
            bias = self.attention_biases[head][self.attention_bias_idxs]  # (N, N)
            attention = (q.transpose(1, 2) @ k + bias).softmax(dim=-1)  # (B, N, N)
            outputs.append((v @ attention.transpose(1, 2)).view(batch, self.value_dim, height, width))
        out: Tensor = self.proj(torch.cat(outputs, dim=1))
        return out


class LocalWindowAttention(nn.Module):
    """Cascaded group attention in non-overlapping windows of `attn.resolution` cells, zero-padded at the far edges."""

    def __init__(self, dim: int, key_dim: int, num_heads: int, resolution: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.attn = CascadedGroupAttention(dim, key_dim, num_heads, resolution, kernels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        window = self.attn.resolution
        if (height, width) == (window, window):
            out: Tensor = self.attn(x)
            return out
        rows, columns = -(-height // window), -(-width // window)
        x = F.pad(x, (0, columns * window - width, 0, rows * window - height))
        x = x.view(batch, channels, rows, window, columns, window).permute(0, 2, 4, 1, 3, 5)
        x = self.attn(x.reshape(batch * rows * columns, channels, window, window))
        x = x.view(batch, rows, columns, channels, window, window).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(batch, channels, rows * window, columns * window)[:, :, :height, :width]


class Block(nn.Module):
    """The sandwich: token interaction and FFN on both sides of one attention (paper fig. 6a)."""

    def __init__(self, dim: int, key_dim: int, num_heads: int, resolution: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.dw0 = Residual(ConvNorm(dim, dim, 3, groups=dim, gamma=0.0))
        self.ffn0 = Residual(ConvMlp(dim))
        self.mixer = Residual(LocalWindowAttention(dim, key_dim, num_heads, resolution, kernels))
        self.dw1 = Residual(ConvNorm(dim, dim, 3, groups=dim, gamma=0.0))
        self.ffn1 = Residual(ConvMlp(dim))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.ffn1(self.dw1(self.mixer(self.ffn0(self.dw0(x)))))
        return out


def convolution_pair(dim: int) -> nn.Sequential:
    """Token interaction and FFN around a downsampling layer."""
    return nn.Sequential(Residual(ConvNorm(dim, dim, 3, groups=dim)), Residual(ConvMlp(dim)))


class Stage(nn.Module):
    """Optional downsampling, then `depth` sandwich blocks."""

    def __init__(
        self,
        in_dim: int,
        dim: int,
        key_dim: int,
        num_heads: int,
        depth: int,
        resolution: int,
        kernels: tuple[int, ...],
        downsample: bool,
    ) -> None:
        super().__init__()
        self.downsample = (
            nn.Sequential(
                OrderedDict(
                    res1=convolution_pair(in_dim), patchmerge=PatchMerging(in_dim, dim), res2=convolution_pair(dim)
                )
            )
            if downsample
            else nn.Identity()
        )
        self.blocks = nn.Sequential(*(Block(dim, key_dim, num_heads, resolution, kernels) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(self.downsample(x))
        return out


def window_resolutions(architecture: MsraArchitecture, size: tuple[int, int]) -> tuple[int, ...]:
    """Side of the attention window of each stage, in cells, for an input of `size` = (height, width) pixels.

    The shorter side decides, as in timm's `EfficientVitMsra.set_input_size`.
    """
    resolution = min(size) // PATCH_STRIDE
    sides = []
    for index in range(len(architecture.widths)):
        resolution = resolution if index == 0 else (resolution - 1) // 2 + 1
        sides.append(min(architecture.window, resolution))
    return tuple(sides)


class EfficientViTMsra(nn.Module):
    """M0-M5 as a classifier: (B, 3, H, W) float -> (B, classes) logits. H and W are multiples of 32."""

    def __init__(self, architecture: MsraArchitecture, *, size: tuple[int, int], num_classes: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(architecture.widths[0])
        windows = window_resolutions(architecture, size)
        in_dim = architecture.widths[0]
        stages = []
        for index, dim in enumerate(architecture.widths):
            stages.append(
                Stage(
                    in_dim,
                    dim,
                    architecture.key_dim,
                    architecture.heads[index],
                    architecture.depths[index],
                    windows[index],
                    architecture.kernels,
                    downsample=index > 0,
                )
            )
            in_dim = dim
        self.stages = nn.Sequential(*stages)
        self.head = NormLinear(in_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.patch_embed(x))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class KeyWidth(Hidden):
    """Width of the queries and keys of an attention's heads."""

    def resize(self, block: nn.Module, count: int) -> None:
        assert isinstance(block, CascadedGroupAttention)
        if count < 1:
            raise ValueError(f"{count} channels")
        block.key_dim = count
        for qkv, query in zip(block.qkvs, block.dws, strict=True):
            give(qkv, convolution_of(qkv), 2 * count + block.value_dim)
            take(convolution_of(query), count)
            give(query, convolution_of(query), count)


HIDDEN: tuple[Hidden, ...] = (
    *(Hidden(block=PatchEmbedding, gives=(f"conv{n}",), takes=(f"conv{n + 1}",)) for n in (1, 2, 3)),
    Hidden(block=ConvMlp, gives=("pw1",), takes=("pw2",)),
    Hidden(block=PatchMerging, gives=("conv1", "se.fc2"), along=("conv2",), takes=("conv3", "se.fc1")),
    Hidden(block=SqueezeExcite, gives=("fc1",), takes=("fc2",)),
    KeyWidth(block=CascadedGroupAttention, gives=("dws.0",)),
)
"""Channels within blocks, in the order in which they are resized."""


def build(spec: ModelSpec) -> EfficientViTMsra:
    """The reference model of a spec of this family, freshly initialised."""
    assert isinstance(spec.architecture, MsraArchitecture)
    return EfficientViTMsra(spec.architecture, size=spec.size, num_classes=spec.num_classes)
