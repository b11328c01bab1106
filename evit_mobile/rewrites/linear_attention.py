"""ReLU linear attention without padding or slicing, and safe in fp16 (B and L variants).

The reference computes  out_i = sum_d q_id (sum_j k_jd v_j) / (sum_d q_id z_d + eps),  z_d = sum_j k_jd,  whose sums grow with the
number of tokens and with the product of three activations: trained L variants exceed fp16's 65504 there. Here

    m_d   = mean_j k_jd
    k'_jd = k_jd / max(m_d, FLOOR)                      k' <= N, and its mean over j is at most 1
    S_d   = sum_j k'_jd (v_j / N)                       a weighted mean of v: |S_d| <= max |v|
    u_d   = m_d / max(sum_e m_e, FLOOR)                 u sums to 1
    w_id  = q_id u_d / (sum_e q_ie u_e + eps / (N sum_e m_e))      q u <= max q, and w sums to at most 1
    out_i = sum_d w_id S_d                              a weighted mean again: |out_i| <= max |v|

which is the same function: m and its sum cancel. No intermediate exceeds max(|q|, |k|, |v|, N). 1/N is folded into the
weights of v. The result does not change with the scale of q and k, so their weights are scaled by a power of two that puts
the largest value of a few images at TYPICAL_PEAK, and eps by the same powers. Tokens whose q vanishes in every channel would
divide by an eps that fp16 cannot hold, so the divisor is kept above FLOOR, the smallest normal fp16 number: no runtime
flushes it to zero, and both forms give 0 there.

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

FLOOR = 2.0**-14


TYPICAL_PEAK = 64.0
"""Where the largest q and k of the probe images are put: a hundredfold outlier still leaves a factor of ten to fp16's limit,
and FLOOR is a millionth of it."""


def rewrite_linear_attention(model: nn.Module, probe: Tensor) -> int:
    """Replaces every LiteMLA in place; returns how many. Needs folded batch norms."""
    inputs = captured_inputs(model, LiteMLA, probe)
    return replace_modules(
        model, LiteMLA, lambda attention: StaticLinearAttention.from_reference(attention, inputs[attention])
    )


class MultiScaleProjection(nn.Module):
    """The convolutions of q, of k or of v at both scales: (B, C, H, W) -> (B, h, D, N)."""

    def __init__(self, attention: LiteMLA, part: int) -> None:
        super().__init__()
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
        scales = [single]
        for depthwise, mix in zip(self.depthwise, self.mix, strict=True):
            scales.append(mix(depthwise(single)))
        return torch.cat(scales, dim=1).view(x.shape[0], -1, self.head_dim, x.shape[2] * x.shape[3])


class StaticLinearAttention(nn.Module):
    """(B, C, H, W) -> (B, C, H, W). `eps` is the reference's, in units of the scaled q and the mean of the scaled k."""

    eps: Tensor

    def __init__(self, attention: LiteMLA) -> None:
        super().__init__()
        self.query, self.key, self.value = (MultiScaleProjection(attention, part) for part in range(3))
        self.proj = attention.proj
        self.register_buffer("eps", torch.full((1, 1, 1, 1), attention.eps))

    @classmethod
    def from_reference(cls, attention: LiteMLA, sample: Tensor) -> StaticLinearAttention:
        """The static form of `attention`, its scales chosen for inputs like `sample` (B, C, H, W)."""
        static = cls(attention)
        tokens = sample.shape[2] * sample.shape[3]
        static.value.scale(1 / tokens)
        static.eps.div_(tokens)
        for projection in (static.query, static.key):
            peak = float(projection(sample).max())
            if peak > 0:
                factor = 2.0 ** math.floor(math.log2(TYPICAL_PEAK / peak))
                projection.scale(factor)
                static.eps.mul_(factor)
        return static

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        q, k, v = torch.relu(self.query(x)), torch.relu(self.key(x)), self.value(x)  # (B, h, D, N)
        mean = k.mean(3, keepdim=True)  # (B, h, D, 1)
        summary = v @ (k / mean.clamp_min(FLOOR)).transpose(2, 3)  # (B, h, D of v, D of k)
        total = mean.sum(2, keepdim=True).clamp_min(FLOOR)  # (B, h, 1, 1)
        weight = q * (mean / total)  # (B, h, D, N)
        divisor = weight.sum(2, keepdim=True) + self.eps / total  # (B, h, 1, N)
        weight = weight / divisor.clamp_min(FLOOR)
        out: Tensor = self.proj((summary @ weight).reshape(batch, -1, height, width))
        return out
