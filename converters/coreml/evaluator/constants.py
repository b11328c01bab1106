"""Compressed weights, decompressed once when a program is loaded.

Semantics are those of coremltools 9.0, `iOS16.constexpr_ops` and `iOS18.compression` in
`coremltools.converters.mil.mil.ops.defs`.
The result has the scale's type, to which it is rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def affine_dequantize(*, quantized_data: Array, zero_point: Array, scale: Array, axis: int) -> Array:
    """scale * (quantized_data - zero_point), each a scalar or a vector along `axis`."""
    shape = [1] * quantized_data.ndim
    shape[axis] = -1
    scales, zeros = (np.asarray(value) for value in (scale, zero_point))
    return _shift_scale(
        quantized_data,
        scales.reshape(shape) if scales.ndim else scales,
        zeros.reshape(shape) if zeros.ndim else zeros,
    )


def blockwise_shift_scale(*, data: Array, scale: Array, offset: Array | None = None) -> Array:
    """scale * (data - offset); one scale covers data.shape[i] / scale.shape[i] elements of dimension i."""
    zeros = np.zeros_like(scale) if offset is None else offset
    return _shift_scale(data, _spread(scale, data.shape), _spread(zeros, data.shape))


def _spread(values: Array, shape: tuple[int, ...]) -> Array:
    for dim, size in enumerate(shape):
        values = np.repeat(values, size // values.shape[dim], axis=dim)
    return values


def _shift_scale(codes: Array, scale: Array, zero_point: Array) -> Array:
    exact = scale.astype(np.float32) * (codes.astype(np.float32) - zero_point.astype(np.float32))
    result: Array = exact.astype(scale.dtype)
    return result


DECOMPRESSORS: dict[str, Callable[..., Array]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
}
