"""Softmax, norms and sums along dimensions.

A type that a result is asked for in (`dtype`) is passed over: the precision of a program is chosen when it is emitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from converters.coreml.values import Translation, Var

if TYPE_CHECKING:
    from converters.coreml.emitter import Emitter


def softmax(e: Emitter, x: Var, dim: int, *_: Any, **__: Any) -> Var:
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
    def translate(e: Emitter, x: Var, dim: Sequence[int] | None = None, keepdim: bool = False, **_: Any) -> Var:
        """Over all dimensions where none are given."""
        return e.op(kind, x=x, axes=list(dim) if dim else None, keep_dims=keepdim)

    return translate
