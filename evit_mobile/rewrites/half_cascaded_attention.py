"""Cascaded attention whose scores cannot overflow fp16 (M variants, where floats are fp16).

Scores grow with the square of the activations. An infinite one would make softmax give NaN, so they are computed 2^-6 as large, limited,
and brought back: no score exceeds LIMIT, whatever q and k are, up to activations hundreds of times the trained ones. Trained scores
are some tens, and fp16 could not tell scores above LIMIT apart anyway: their neighbours are 4 away.
"""

from __future__ import annotations

from torch import Tensor, nn

from evit_mobile.rewrites.cascaded_attention import StaticHead
from evit_mobile.rewrites.surgery import replace_modules

REDUCTION = 2.0**-6
LIMIT = 4096.0


def rewrite_half_cascaded_attention(model: nn.Module, _probe: Tensor) -> int:
    """Replaces every StaticHead in place; returns how many."""
    return replace_modules(model, StaticHead, HalfHead)


class HalfHead(StaticHead):
    """One head: (B, C / heads, H, W) -> (B, V, H, W)."""

    def __init__(self, head: StaticHead) -> None:
        nn.Module.__init__(self)
        self.query, self.query_depthwise, self.key, self.value = head.query, head.query_depthwise, head.key, head.value
        self.register_buffer("bias", head.bias)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        reduced = super().scores(q * REDUCTION, k)
        return reduced.clamp(-LIMIT * REDUCTION, LIMIT * REDUCTION) / REDUCTION
