"""ReLU cascaded attention in a form that cannot overflow fp16 (the variation relu-attention, where floats are fp16).

The plain form's products grow with the product of three activations. Here, with v already scaled by 1/N,

    m_d   = mean_j k_jd
    k'_jd = k_jd / max(m_d, FLOOR)                      at most N, and its mean over j is at most 1
    S_d   = sum_j k'_jd v_j                             a weighted mean of N v: |S_d| <= N max |v|
    t     = max(mean_d m_d, FLOOR)                      at most max k
    p_i   = max(mean_d q_id, FLOOR)                     at most max q
    w_id  = (q_id / p_i) (m_d / t)                      both factors are at most K and sum to at most K: w sums to at most K^2
    w'_id = w_id / max(sum_e w_ie + eps / (t p_i), FLOOR)    sums to at most 1
    out_i = sum_d w'_id S_d                             a weighted mean again: |out_i| <= N max |v|

which is the same function, for m, its mean and p cancel. No intermediate exceeds max(|q|, |k|, N |v|, N, K^2), N |v| being the values
before they were scaled. Divisors are kept above FLOOR, the smallest normal fp16 number: no runtime flushes it to zero.

Shapes as in relu_attention.py.
"""

from __future__ import annotations

from torch import Tensor, nn

from evit_mobile.rewrites.relu_attention import StaticReluHead
from evit_mobile.rewrites.surgery import replace_modules

FLOOR = 2.0**-14


def rewrite_half_relu_attention(model: nn.Module, _probe: Tensor) -> int:
    """Replaces every StaticReluHead in place; returns how many."""
    return replace_modules(model, StaticReluHead, HalfReluHead)


class HalfReluHead(StaticReluHead):
    """One head: (B, C / heads, H, W) -> (B, V, H, W)."""

    def __init__(self, plain: StaticReluHead) -> None:
        nn.Module.__init__(self)
        self.query, self.query_depthwise, self.key = plain.query, plain.query_depthwise, plain.key
        self.value, self.local = plain.value, plain.local
        self.register_buffer("eps", plain.eps)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mean = k.mean(2, keepdim=True)  # (B, K, 1)
        summary = v @ (k / mean.clamp_min(FLOOR)).transpose(1, 2)  # (B, V, K)
        total = mean.mean(1, keepdim=True).clamp_min(FLOOR)  # (B, 1, 1)
        size = q.mean(1, keepdim=True).clamp_min(FLOOR)  # (B, 1, N)
        weight = (q / size) * (mean / total)  # (B, K, N)
        divisor = weight.sum(1, keepdim=True) + (self.eps / total) / size  # (B, 1, N)
        return summary @ (weight / divisor.clamp_min(FLOOR))
