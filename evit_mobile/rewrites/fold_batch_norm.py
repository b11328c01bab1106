"""Folds every batch norm into the convolution before it or the linear layer after it.

With s = gamma / sqrt(var + eps):  BN(W x + b) = (s W) x + s (b - mean) + beta,  and
W BN(x) + b = (W s) x + W (beta - s mean) + b.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evit_mobile.errors import RewriteError
from evit_mobile.models.layers import ConvNorm, ConvNormAct, NormLinear
from evit_mobile.rewrites.surgery import replace_modules

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def fold_batch_norm(model: nn.Module, _probe: Tensor) -> int:
    """Folds in place; returns the number of norms folded. Raises RewriteError for a norm it has no rule for."""
    places = replace_modules(model, ConvNorm, lambda pair: folded_convolution(pair.conv, pair.bn))
    places += replace_modules(model, NormLinear, lambda pair: folded_linear(pair.bn, pair.linear))
    for module in model.modules():
        if isinstance(module, ConvNormAct) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv, module.norm = folded_convolution(module.conv, module.norm), nn.Identity()
            places += 1
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise RewriteError(
                got=f"a batch norm at {name!r} without a convolution or linear layer to fold it into",
                allowed="batch norms of the EfficientViT blocks",
                do="fold or remove it in the module you pass in",
            )
    return places


def scale_and_shift(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """s and t with BN(x) = s x + t, in float64, each of shape (channels,)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - scale * norm.running_mean.double()


def folded_convolution(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One biased convolution equal to `norm(conv(x))`."""
    scale, shift = scale_and_shift(norm)
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]  # torch types the attribute wider than the argument
        conv.stride,  # type: ignore[arg-type]  # same
        conv.padding,  # type: ignore[arg-type]  # same
        groups=conv.groups,
    )
    with torch.no_grad():
        folded.weight.copy_(conv.weight.double() * scale[:, None, None, None])
        assert folded.bias is not None
        folded.bias.copy_(shift if conv.bias is None else shift + scale * conv.bias.double())
    return folded.eval().requires_grad_(False)


def folded_linear(norm: nn.BatchNorm1d, linear: nn.Linear) -> nn.Linear:
    """One linear layer equal to `linear(norm(x))`."""
    scale, shift = scale_and_shift(norm)
    folded = nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        folded.weight.copy_(linear.weight.double() * scale[None])
        folded.bias.copy_(linear.weight.double() @ shift + linear.bias.double())
    return folded.eval().requires_grad_(False)
