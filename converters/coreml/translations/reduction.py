"""Softmax, norms and sums along dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from converters.coreml.values import Translation, Var

if TYPE_CHECKING:
    from converters.coreml.emitter import Emitter


def softmax(e: Emitter, x: Var, dim: int) -> Var:
    return e.op("softmax", x=x, axis=dim)


def layer_norm(
    e: Emitter,
    x: Var,
    normalized: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    _cudnn: bool = False,
) -> Var:
    axes = list(range(-len(normalized), 0))
    return e.op("layer_norm", x=x, axes=axes, gamma=weight, beta=bias, epsilon=eps)


def reduce(kind: str) -> Translation:
    def translate(e: Emitter, x: Var, dim: Sequence[int], keepdim: bool = False) -> Var:
        return e.op(kind, x=x, axes=list(dim), keep_dims=keepdim)

    return translate
