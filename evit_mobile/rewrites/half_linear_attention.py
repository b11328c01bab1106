"""Linear attention in a form that cannot overflow fp16 (B and L variants, where floats are fp16).

The sums of the plain form grow with the number of tokens and with the product of three activations: trained L variants exceed
fp16's 65504 there. Here

    m_d   = mean_j k_jd
    k'_jd = k_jd / max(m_d, FLOOR)                      k' <= N, and its mean over j is at most 1
    S_d   = sum_j k'_jd (v_j / N)                       a weighted mean of v: |S_d| <= max |v|
    t     = max(mean_d m_d, FLOOR)                      at most max k
    p_i   = max(mean_d q_id, FLOOR)                     at most max q
    w_id  = (q_id / p_i) (m_d / t)                      both factors are at most D and sum to D, so w sums to at most D^2
    w'_id = w_id / max(sum_e w_ie + eps / (N t p_i), FLOOR)    sums to at most 1
    out_i = sum_d w'_id S_d                             a weighted mean again: |out_i| <= max |v|

which is the same function: m, its mean and p cancel. No intermediate exceeds max(|q|, |k|, |v|, N, D^2). Tokens whose q vanishes in every
channel would divide by an eps that fp16 cannot hold, so divisors are kept above FLOOR, the smallest normal fp16 number: no runtime
flushes it to zero, and both forms give 0 there. q and k were scaled so that FLOOR is about a millionth of their largest values.

Shapes as in linear_attention.py: B batch, N tokens, h heads over all scales, D head width.
"""

from __future__ import annotations

from torch import Tensor, nn

from evit_mobile.rewrites.linear_attention import StaticLinearAttention
from evit_mobile.rewrites.surgery import replace_modules

FLOOR = 2.0**-14


def rewrite_half_linear_attention(model: nn.Module, _probe: Tensor) -> int:
    """Replaces every StaticLinearAttention in place; returns how many."""
    return replace_modules(
        model,
        StaticLinearAttention,
        lambda plain: HalfLinearAttention(plain.query, plain.key, plain.value, plain.proj, plain.eps),
    )


class HalfLinearAttention(StaticLinearAttention):
    """(B, C, H, W) -> (B, C, H, W)."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mean = k.mean(3, keepdim=True)  # (B, h, D, 1)
        summary = v @ (k / mean.clamp_min(FLOOR)).transpose(2, 3)  # (B, h, D of v, D of k)
        total = mean.mean(2, keepdim=True).clamp_min(FLOOR)  # (B, h, 1, 1)
        size = q.mean(2, keepdim=True).clamp_min(FLOOR)  # (B, h, 1, N)
        weight = (q / size) * (mean / total)  # (B, h, D, N)
        divisor = weight.sum(2, keepdim=True) + (self.eps / total) / size  # (B, h, 1, N)
        return summary @ (weight / divisor.clamp_min(FLOOR))
