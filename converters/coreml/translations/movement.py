"""Values that only move: slices, concatenation, reshapes, transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.coreml.values import Var

if TYPE_CHECKING:
    from converters.coreml.emitter import Emitter


def slice_(e: Emitter, x: Var, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Var:
    first, last, _ = slice(start, end, step).indices(x.shape[dim])
    return _slice_range(e, x, dim, first, last, step=step)


def _slice_range(e: Emitter, x: Var, dim: int, first: int, last: int, *, step: int = 1, part: str = "") -> Var:
    axis = dim % x.rank
    begin, end, stride = [0] * x.rank, list(x.shape), [1] * x.rank
    begin[axis], end[axis], stride[axis] = first, last, step
    return e.op("slice_by_index", part, x=x, begin=begin, end=end, stride=stride)


def select(e: Emitter, x: Var, dim: int, index: int) -> Var:
    axis, position = dim % x.rank, index % x.shape[dim]
    taken = _slice_range(e, x, axis, position, position + 1, part="slice")
    return e.op("squeeze", x=taken, axes=[axis])


def split(e: Emitter, x: Var, sizes: int | Sequence[int], dim: int = 0) -> list[Var]:
    total = x.shape[dim]
    lengths = [min(sizes, total - at) for at in range(0, total, sizes)] if isinstance(sizes, int) else list(sizes)
    ends = np.cumsum(lengths).tolist()
    return [
        _slice_range(e, x, dim, last - length, last, part=str(index))
        for index, (length, last) in enumerate(zip(lengths, ends, strict=True))
    ]


def chunk(e: Emitter, x: Var, chunks: int, dim: int = 0) -> list[Var]:
    return split(e, x, math.ceil(x.shape[dim] / chunks), dim)


def cat(e: Emitter, tensors: Sequence[Var], dim: int = 0) -> Var:
    return e.op("concat", values=[e.constant(tensor) for tensor in tensors], axis=dim)


def pad_(e: Emitter, x: Var, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Var:
    """ATen lists (before, after) from the last dimension backwards, MIL from the first padded one forwards."""
    pairs = [list(pad[at : at + 2]) for at in range(0, len(pad), 2)]
    amounts = [amount for pair in reversed(pairs) for amount in pair]
    return e.op("pad", x=x, pad=amounts, mode=mode, constant_val=float(value or 0))


def constant_pad(e: Emitter, x: Var, pad: Sequence[int], value: float = 0) -> Var:
    return pad_(e, x, pad, "constant", value)


def reshape(e: Emitter, x: Var, *_: Any, **__: Any) -> Var:
    return x if tuple(x.shape) == e.shape else e.op("reshape", x=x, shape=list(e.shape))


def permute(e: Emitter, x: Var, dims: Sequence[int]) -> Var:
    return e.op("transpose", x=x, perm=[dim % x.rank for dim in dims])


def transpose(e: Emitter, x: Var, first: int, second: int) -> Var:
    order = list(range(x.rank))
    order[first], order[second] = order[second], order[first]
    return e.op("transpose", x=x, perm=order)


def identity(_emitter: Emitter, x: Var, *_: Any, **__: Any) -> Var:
    return x


def getitem(_emitter: Emitter, values: list[Var], index: int) -> Var:
    return values[index]
