"""Building blocks shared by both families.

Parameter names follow timm 1.0.31 (`timm/models/efficientvit_msra.py`, `efficientvit_mit.py`), so a timm
state dict loads without renaming. Shapes: B batch, C channels, H height, W width (in feature cells), N = H*W tokens.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch norm: (B, C_in, H, W) -> (B, C_out, H', W').

    Source: `Conv2d_BN`, microsoft/Cream EfficientViT/classification/model/efficientvit.py@4a13c40.
    """

    conv: nn.Conv2d
    bn: nn.BatchNorm2d

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, gamma: float = 1.0
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        norm = nn.BatchNorm2d(out_channels)
        nn.init.constant_(norm.weight, gamma)
        super().__init__(OrderedDict(conv=conv, bn=norm))


class NormLinear(nn.Sequential):
    """Batch norm, then a linear layer: (B, C) -> (B, classes).

    Source: `BN_Linear`, microsoft/Cream EfficientViT/classification/model/efficientvit.py@4a13c40.
    """

    bn: nn.BatchNorm1d
    linear: nn.Linear

    def __init__(self, in_features: int, out_features: int) -> None:
        linear = nn.Linear(in_features, out_features)
        nn.init.trunc_normal_(linear.weight, std=0.02)
        nn.init.zeros_(linear.bias)
        super().__init__(OrderedDict(bn=nn.BatchNorm1d(in_features), linear=linear))


class SqueezeExcite(nn.Module):
    """Channel gate from the spatial mean: (B, C, H, W) -> (B, C, H, W). Hu et al., arXiv 1709.01507, eq. 3-4."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=True)
        gate = self.fc2(torch.relu(self.fc1(gate)))
        return x * torch.sigmoid(gate)


class ConvNormAct(nn.Module):
    """Convolution, optional norm, optional activation: (B, C_in, H, W) -> (B, C_out, H', W').

    Source: `ConvLayer`, mit-han-lab/efficientvit efficientvit/models/nn/ops.py@de7d773.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        norm_eps: float | None,
        activation: type[nn.Module] | None,
    ) -> None:
        """`norm_eps=None` means a biased convolution without norm: upstream pairs the two everywhere but in qkv."""
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=norm_eps is None
        )
        self.norm = nn.Identity() if norm_eps is None else nn.BatchNorm2d(out_channels, eps=norm_eps)
        self.act = nn.Identity() if activation is None else activation()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class GeluTanh(nn.GELU):
    """GELU in its tanh form, the activation of the L variants."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")
