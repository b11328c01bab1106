"""ReLU linear attention without a division that integers cannot do (B and L variants, int8-full only).

The reference computes  out_i = sum_d q_id (sum_j k_jd v_j) / (sum_d q_id z_d + eps),  z_d = sum_j k_jd.  Its divisor ranges over
orders of magnitude, so int8 leaves small ones without a code. Here both halves are first divided by sum_d q_id, and that
division is what a softmax does:

    p_id  = softmax_d(log q_id) = q_id / sum_e q_ie
    m_d   = mean_j k_jd
    out_i = (sum_d p_id mean_j k_jd v_j) * rsqrt(sum_d p_id m_d)^2

p_i sums to 1, so the remaining divisor is a weighted mean of m and stays between its smallest and largest value. LOG, SOFTMAX and
RSQRT are int8 operations of LiteRT and of NPUs. eps only matters where q_i is zero in every channel, and makes the result 0 there;
here a factor does that, relu6(STEEP max_d q_id), which is 6 everywhere else. 1/6 is folded into the weights of v like 1/N.

The result does not change when channel d of k is multiplied by some c_d and that of q divided by it, nor with the scale of a
head's q. So k is scaled to m_d = 1 on a few images, which makes the divisor 1 on average, and every head's q to the same peak:
one int8 scale then suits all channels.

Shapes: B batch, N = H*W tokens, h heads over all scales, D head width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evit_mobile.models.mit import LiteMLA
from evit_mobile.rewrites.linear_attention import MultiScaleProjection
from evit_mobile.rewrites.surgery import captured_inputs, replace_modules

QUERY_FLOOR = 2.0**-100
"""Keeps the logarithm finite. In int8 it is code 0, whose logarithm is the smallest code."""
DIVISOR_FLOOR = 2.0**-40
"""Gives 0 where every channel of q that is above zero meets a k that is zero, as the reference does: it is far above what QUERY_FLOOR
lets through of the other channels."""
STEEP = 2.0**20
"""With it a q of a millionth of the head's peak counts as above zero, and int8 kernels can still represent the product's scale."""
DEAD = 1e-3
"""A channel of k below this part of the largest is scaled as if it were there: it hardly counts, and its noise should not grow."""


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
        self.proj = attention.proj
        self.register_buffer("steep", torch.full((1, 1, 1, 1), STEEP))

    steep: Tensor

    @classmethod
    def from_reference(cls, attention: LiteMLA, sample: Tensor) -> IntegerLinearAttention:
        """The integer form of `attention`, its channels scaled for inputs like `sample` (B, C, H, W)."""
        static = cls(attention)
        mean = torch.relu(static.key(sample)).mean(3).amax(0)  # (h, D)
        mean = mean.clamp_min(float(mean.max()) * DEAD + DIVISOR_FLOOR)
        scale_channels(static.key, 1 / mean)
        scale_channels(static.query, mean)
        peak = torch.relu(static.query(sample)).amax((0, 2, 3))  # (h,)
        scale_channels(static.query, (1 / peak.clamp_min(DIVISOR_FLOOR))[:, None].expand_as(mean))
        scale_channels(static.value, torch.full_like(mean, 1 / (6 * sample.shape[2] * sample.shape[3])))
        return static

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        q, k, v = torch.relu(self.query(x)), torch.relu(self.key(x)), self.value(x)  # (B, h, D, N)
        p = torch.log(q.clamp_min(QUERY_FLOOR)).softmax(2)  # (B, h, D, N)
        numerator = (v @ k.transpose(2, 3)) @ p  # (B, h, D of v, N); v carries 1/(6 N)
        divisor = k.mean(3, keepdim=True).transpose(2, 3) @ p  # (B, h, 1, N)
        root = torch.rsqrt(divisor.clamp_min(DIVISOR_FLOOR))
        any_query = nn.functional.relu6(q.amax(2, keepdim=True) * self.steep)  # (B, h, 1, N): 6 or 0
        out: Tensor = self.proj((numerator * root * (root * any_query)).reshape(batch, -1, height, width))
        return out


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
