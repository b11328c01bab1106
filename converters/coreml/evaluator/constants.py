"""Compressed weights, decompressed once when a program is loaded.

Semantics are those of coremltools 9.0, `iOS16.constexpr_ops` and `iOS18.compression` in
`coremltools.converters.mil.mil.ops.defs`. What is scaled has the scale's type, to which it is rounded.
"""

from __future__ import annotations

import math
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


def lut_to_dense(
    *,
    indices: Array,
    lut: Array,
    vector_axis: int | None = None,
    shape: Array | None = None,
) -> Array:
    """Every index replaced by its entry of the lookup table.

    From iOS 18 on `indices` (d_1, ..., d_K) has the result's shape and `lut` (g_1, ..., g_K, entries, V) one table for every
    block of d_i / g_i elements; entries of V values lie along `vector_axis`. Before, there is one table, and `indices` are
    bytes with packed codes, lowest bits first, of a tensor of `shape`.
    """
    if shape is not None:
        bits = int(lut.size).bit_length() - 1
        return lut[_unpacked(indices, bits, math.prod(shape.tolist()))].reshape(shape)
    groups, entries = lut.shape[:-2], lut.shape[-2]
    table = _spread(np.arange(math.prod(groups)).reshape(groups), indices.shape)
    chosen: Array = lut.reshape(-1, entries, lut.shape[-1])[table, indices.astype(np.int64)]
    if vector_axis is None:
        return chosen[..., 0]
    axis = int(vector_axis) % indices.ndim
    moved = np.moveaxis(chosen, -1, axis + 1)
    return moved.reshape([size * (lut.shape[-1] if dim == axis else 1) for dim, size in enumerate(indices.shape)])


def sparse_to_dense(*, nonzero_data: Array, mask: Array, shape: Array | None = None) -> Array:
    """`nonzero_data` in order at the ones of `mask`, zero elsewhere. Before iOS 18 `mask` is packed, lowest bits first."""
    if shape is not None:
        mask = _unpacked(mask, 1, math.prod(shape.tolist())).reshape(shape)
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


def _unpacked(packed: Array, bits: int, count: int) -> Array:
    """`count` codes of `bits` bits each."""
    digits = np.unpackbits(packed, bitorder="little")[: bits * count].reshape(count, bits).astype(np.int64)
    codes: Array = digits @ (1 << np.arange(bits))
    return codes


DECOMPRESSORS: dict[str, Callable[..., Array]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_sparse_to_dense": sparse_to_dense,
}
