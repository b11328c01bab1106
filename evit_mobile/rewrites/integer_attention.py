"""ReLU linear attention without a division that integers cannot do (B and L variants, int8-full only).

The reference computes  out_i = sum_d q_id (sum_j k_jd v_j) / (sum_d q_id z_d + eps),  z_d = sum_j k_jd.  Its divisor ranges over
orders of magnitude, so int8 leaves small ones without a code. Here both halves are first divided by the largest q_id of the token:

    r_i   = rsqrt(max_d q_id)
    p_id  = q_id r_i r_i                                the largest is 1
    m_d   = mean_j k_jd
    out_i = (sum_d p_id mean_j k_jd v_j) * rsqrt(sum_d p_id m_d)^2

The remaining divisor stays near the size of m, whatever that of q_i. Whatever is rounded in r_i is the same in both halves and cancels.
RSQRT is an int8 operation of every runtime and NPU, the logarithm is not. eps only matters where q_i is zero in every channel; p_i is
zero there too, and with it the result.

The result does not change when channel d of k is multiplied by some c_d and that of q divided by it, nor with the scale of a
head's q. So k is scaled to m_d = 1 on a few images, which makes the divisor about 1, and every head's q to the same peak:
one int8 scale then suits all channels. The result is proportional to v: its channels are balanced against the weights of the projection
that reads them (M. Nagel et al., arXiv 1906.04721, section 4.1).

Shapes: B batch, N = H*W tokens, h heads over all scales, D head width.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from evit_mobile.models.mit import LiteMLA
from evit_mobile.rewrites.linear_attention import MultiScaleProjection
from evit_mobile.rewrites.surgery import captured_inputs, replace_modules

FLOOR = 2.0**-40
"""Keeps factors finite; what they are multiplied with is zero there."""
DEAD = 1e-3
"""A channel below this part of the largest is scaled as if it were there: it hardly counts, and its noise should not grow."""


def rewrite_integer_attention(model: nn.Module, probe: Tensor) -> int:
    """Replaces every LiteMLA in place; returns how many. Needs folded batch norms."""
    inputs = captured_inputs(model, LiteMLA, probe)
    return replace_modules(
        model, LiteMLA, lambda attention: IntegerLinearAttention.from_reference(attention, inputs[attention])
    )


class IntegerLinearAttention(nn.Module):
    """(B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, attention: LiteMLA) -> None:
        super().__init__()
        self.query, self.key, self.value = (MultiScaleProjection(attention, part) for part in range(3))
        self.proj = copy.deepcopy(attention.proj)

    @classmethod
    def from_reference(cls, attention: LiteMLA, sample: Tensor) -> IntegerLinearAttention:
        """The integer form of `attention`, its channels scaled for inputs like `sample` (B, C, H, W)."""
        static = cls(attention)
        mean = torch.relu(static.key(sample)).mean(3).amax(0)  # (h, D)
        mean = mean.clamp_min(float(mean.max()) * DEAD + FLOOR)
        scale_channels(static.key, 1 / mean)
        scale_channels(static.query, mean)
        peak = torch.relu(static.query(sample)).amax((0, 2, 3))  # (h,)
        scale_channels(static.query, (1 / peak.clamp_min(FLOOR))[:, None].expand_as(mean))
        scale_channels(static.value, torch.full_like(mean, 1 / (sample.shape[2] * sample.shape[3])))
        static.balance(sample)
        return static

    def balance(self, sample: Tensor) -> None:
        """Divides the range of every channel between v and the projection's weights, by what `sample` (B, C, H, W) attends to."""
        conv = self.proj.conv
        assert isinstance(conv, nn.Conv2d)
        attended = self.attend(sample).abs().amax((0, 3))  # (h, D)
        weights = conv.weight.abs().amax((0, 2, 3)).view_as(attended)
        attended, weights = (peaks.clamp_min(float(peaks.max()) * DEAD + FLOOR) for peaks in (attended, weights))
        factors = (weights / attended).sqrt()
        scale_channels(self.value, factors)
        with torch.no_grad():
            conv.weight.div_(factors.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        out: Tensor = self.proj(self.attend(x).reshape(batch, -1, height, width))
        return out

    def attend(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, h, D, N)."""
        q, k, v = torch.relu(self.query(x)), torch.relu(self.key(x)), self.value(x)  # (B, h, D, N)
        root = torch.rsqrt(q.amax(2, keepdim=True).clamp_min(FLOOR))  # (B, h, 1, N)
        p = q * root * root  # (B, h, D, N)
        numerator = (v @ k.transpose(2, 3)) @ p  # (B, h, D of v, N); v carries 1/N
        divisor = (p.transpose(2, 3) @ k.mean(3, keepdim=True)).transpose(2, 3)  # (B, h, 1, N)
        root = torch.rsqrt(divisor.clamp_min(FLOOR))
        attended: Tensor = numerator * root * root
        return attended


def scale_channels(projection: MultiScaleProjection, factors: Tensor) -> None:
    """Multiplies the output (B, h, D, N) by `factors` (h, D), in the weights: the convolutions have no bias.

    The first scale's output is also what the others read, so their depthwise convolutions undo its factors.
    """
    first, *others = factors.flatten().chunk(1 + len(projection.depthwise))
    scale_outputs(projection.project, first)
    for depthwise, mix, own in zip(projection.depthwise, projection.mix, others, strict=True):
        scale_outputs(depthwise, 1 / first)
        scale_outputs(mix, own)


def scale_outputs(conv: nn.Module, factors: Tensor) -> None:
    """Multiplies every output channel of a convolution without bias by its factor (O,)."""
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        conv.weight.mul_(factors[:, None, None, None])
