"""Building convolutions from parts of others."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def convolution_like(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None, groups: int) -> nn.Conv2d:
    """A convolution with `conv`'s kernel, stride and padding and the given weight (O, I / groups, k, k) and bias (O)."""
    new = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        conv.kernel_size,  # type: ignore[arg-type]  # torch types the attribute wider than the argument
        conv.stride,  # type: ignore[arg-type]  # same
        conv.padding,  # type: ignore[arg-type]  # same
        groups=groups,
        bias=bias is not None,
    )
    with torch.no_grad():
        new.weight.copy_(weight)
        if bias is not None and new.bias is not None:
            new.bias.copy_(bias)
    return new.eval().requires_grad_(False)


def select_outputs(conv: nn.Module, channels: Tensor, groups: int) -> nn.Conv2d:
    """The convolution that computes only the output `channels` (a 1-D index) of the convolution `conv`, in that order."""
    assert isinstance(conv, nn.Conv2d)
    bias = None if conv.bias is None else conv.bias[channels]
    return convolution_like(conv, conv.weight[channels], bias, groups)
