"""Constants that repeat a few values as indices into a table, without loss, where that takes less room in a package."""

from __future__ import annotations

import numpy as np

from converters.lowering.palettes import Array

INDEX_BITS = (1, 2, 3, 4, 6, 8)
"""Widths of an index that `constexpr_lut_to_dense` of iOS 18 knows."""
ANOTHER_OPERATION = 512
"""Bytes that the operation, its types and a header in weight.bin take: what indices have to save to be worth it."""


def repeated_values(constant: Array) -> tuple[Array, Array, int] | None:
    """`constant` (d_1, ..., d_K) as indices of its shape, a table (1, ..., 1, 2^bits, 1) of the values it has, and `bits`: exact.

    None where it has too many different values for that to take less room.
    """
    values, indices = np.unique(constant, return_inverse=True)
    bits = next((bits for bits in INDEX_BITS if len(values) <= 2**bits), None)
    if bits is None or indices.size * bits / 8 + 2**bits * values.itemsize + ANOTHER_OPERATION > constant.nbytes:
        return None
    table = np.pad(values, (0, 2**bits - len(values)), "edge")
    return indices.reshape(constant.shape), table.reshape(*[1] * constant.ndim, -1, 1), bits
