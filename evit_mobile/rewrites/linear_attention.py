"""Linear attention without padding, slicing of q, k and v, or a second pass over the tokens (B and L variants).

With v scaled by 1/N, S = sum_j v_j k_j^T (D of v, D of k) and m = mean_j k_j (D), the paper's eq. 2 is

    out_i = S q_i / (m . q_i + eps / N)

Numerator and denominator are one matrix product: m is S's last row. 1/N is folded into the weights of v.

The result does not change with the scale of q and k, and is proportional to v. All three are scaled by powers of two that keep the
values of a few images under TYPICAL_PEAK, eps by those of q and k, and the projection by the inverse of that of v: what runs in fp16
(half_linear_attention.py) needs that, and one scaling for both forms lets them share their int8 parameters.

q, k and v are separate convolutions at every scale (the reference interleaves them head by head), so nothing is sliced.
Shapes: B batch, N = H*W tokens, h heads over all scales, D head width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from evit_mobile.models.mit import LiteMLA
from evit_mobile.rewrites.convolutions import select_outputs
from evit_mobile.rewrites.surgery import captured_inputs, replace_modules

TYPICAL_PEAK = 32.0
"""Upper limit of q, k and v on the probe images: a hundredfold outlier still leaves a factor of twenty to fp16's limit."""


def rewrite_linear_attention(model: nn.Module, probe: Tensor) -> int:
    """Replaces every LiteMLA in place; returns how many. Needs folded batch norms."""
    inputs = captured_inputs(model, LiteMLA, probe)
    return replace_modules(model, LiteMLA, lambda attention: static_attention(attention, inputs[attention]))


class MultiScaleProjection(nn.Module):
    """The convolutions of q, of k or of v at both scales and an activation: (B, C, H, W) -> (B, h, D, N).

    The activation comes before the scales are joined: there it is part of the second scale's last convolution.
    """

    def __init__(self, attention: LiteMLA, part: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.activation = nn.Identity() if activation is None else activation
        conv, head_dim = attention.qkv.conv, attention.head_dim
        assert isinstance(conv, nn.Conv2d)
        heads = conv.out_channels // (3 * head_dim)
        channels = torch.arange(conv.out_channels).view(heads, 3, head_dim)[:, part].flatten()
        self.head_dim = head_dim
        self.project = select_outputs(conv, channels, 1)
        pairs = [tuple(pair.children()) for pair in attention.aggreg]
        self.depthwise = nn.ModuleList(select_outputs(depthwise, channels, len(channels)) for depthwise, _ in pairs)
        self.mix = nn.ModuleList(select_outputs(mix, channels, heads) for _, mix in pairs)

    def scale(self, factor: float) -> None:
        """Multiplies the output by `factor`; the convolutions have no bias, so only the first one changes."""
        self.project.weight.mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        single = self.project(x)
        scales = [self.activation(single)]
        for depthwise, mix in zip(self.depthwise, self.mix, strict=True):
            scales.append(self.activation(mix(depthwise(single))))
        return torch.cat(scales, dim=1).view(x.shape[0], -1, self.head_dim, x.shape[2] * x.shape[3])


class StaticLinearAttention(nn.Module):
    """(B, C, H, W) -> (B, C, H, W). `eps` (1, 1, 1, 1) is in units of the scaled q times the mean of the scaled k."""

    eps: Tensor

    def __init__(
        self,
        query: MultiScaleProjection,
        key: MultiScaleProjection,
        value: MultiScaleProjection,
        proj: nn.Module,
        eps: Tensor,
    ) -> None:
        super().__init__()
        self.query, self.key, self.value = query, key, value
        self.proj = proj
        self.register_buffer("eps", eps)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, h, D, N)
        attended = self.attend(q, k, v)  # (B, h, D, N)
        out: Tensor = self.proj(attended.reshape(batch, -1, height, width))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k >= 0 and v, each (B, h, D, N) -> (B, h, D, N)."""
        summary = v @ k.transpose(2, 3)  # (B, h, D of v, D of k)
        mean = k.mean(3, keepdim=True).transpose(2, 3)  # (B, h, 1, D of k)
        both = torch.cat([summary, mean], dim=2) @ q  # (B, h, D + 1, N)
        return both[:, :, :-1] / (both[:, :, -1:] + self.eps)


def static_attention(attention: LiteMLA, sample: Tensor) -> StaticLinearAttention:
    """The static form of `attention`, its scales chosen for inputs like `sample` (B, C, H, W)."""
    activations = nn.ReLU(), nn.ReLU(), None
    projections = query, key, value = tuple(
        MultiScaleProjection(attention, part, activation) for part, activation in enumerate(activations)
    )
    factors = [power_of_two(projection(sample)) for projection in projections]
    for projection, factor in zip(projections, factors, strict=True):
        projection.scale(factor)
    tokens = sample.shape[2] * sample.shape[3]
    value.scale(1 / tokens)
    attention.proj.conv.weight.div_(factors[2])
    eps = attention.eps * factors[0] * factors[1] / tokens
    return StaticLinearAttention(query, key, value, attention.proj, torch.full((1, 1, 1, 1), eps))


def power_of_two(values: Tensor) -> float:
    """The largest power of two that brings `values` under TYPICAL_PEAK; 1 for zeros."""
    peak = float(values.abs().max())
    return 2.0 ** math.floor(math.log2(TYPICAL_PEAK / peak)) if peak > 0 else 1.0
