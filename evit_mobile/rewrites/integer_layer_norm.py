"""Layer norm in operations that have an int8 form (MIT head, int8-full only).

LN(W x) = gamma * y / sqrt(mean(y^2) + eps) + beta with y = W x - mean(W x). The mean over the outputs is linear in x, so it goes
into the weights: y = (W - column means of W) x, and nothing is left to subtract. The mean of squares is the product of y / sqrt(C) with
itself, which accumulates in 32 bits. That y / sqrt(C) is a tensor of its own lets it have zero point 0, as a product's factor must, where
y, which everything else is made of, keeps all of its range. gamma and beta are a 1x1 depthwise convolution, which has one scale per
channel.

Shapes: B batch, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evit_mobile.models.mit import ClassifierHead
from evit_mobile.rewrites.layer_norm import centre_outputs


def rewrite_integer_layer_norm(model: nn.Module, _probe: Tensor) -> int:
    """Rewrites the norm of every MIT head in place; returns how many."""
    heads = [module for module in model.modules() if isinstance(module, ClassifierHead)]
    for head in heads:
        linear, norm = head.classifier[0], head.classifier[1]
        assert isinstance(linear, nn.Linear)
        assert isinstance(norm, nn.LayerNorm)
        centre_outputs(linear)
        head.classifier[1] = CentredNorm(norm)
    return len(heads)


class CentredNorm(nn.Module):
    """Layer norm of vectors whose mean is zero: (B, C) -> (B, C)."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        (channels,) = norm.normalized_shape
        self.affine = nn.Conv2d(channels, channels, 1, groups=channels)
        with torch.no_grad():
            self.affine.weight.copy_(norm.weight[:, None, None, None])
            assert self.affine.bias is not None
            self.affine.bias.copy_(norm.bias)
        self.register_buffer("eps", torch.full((1, 1, 1), norm.eps))
        self.register_buffer("share", torch.full((1, 1, 1), channels**-0.5))

    eps: Tensor
    share: Tensor

    def forward(self, y: Tensor) -> Tensor:
        y = y[:, :, None]  # (B, C, 1)
        part = y * self.share
        square = part.transpose(1, 2) @ part  # (B, 1, 1)
        y = y * torch.rsqrt(square + self.eps)
        out: Tensor = self.affine(y[..., None]).flatten(1)
        return out
