"""Symmetric per-channel int8 scales of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WEIGHT_QMAX = 127
SMALLEST_PART = 0.3
STEPS = 71


def max_scales(weight: NDArray[np.floating], axis: int = 0) -> NDArray[np.float32]:
    """(channels,): the largest magnitude of each channel / 127; 1 for a channel of zeros, which stays exact."""
    rows = _rows(weight, axis)
    largest = np.abs(rows).max(axis=1)
    return np.where(largest > 0, largest / WEIGHT_QMAX, 1).astype(np.float32)


def mse_scales(weight: NDArray[np.floating], axis: int = 0) -> NDArray[np.float32]:
    """(channels,): of STEPS fractions from 1 to SMALLEST_PART of `max_scales`, the one with the least squared error."""
    rows = _rows(weight, axis)
    whole = max_scales(weight, axis)
    best, least = whole.copy(), np.full(len(rows), np.inf, np.float32)
    for part in np.linspace(1, SMALLEST_PART, STEPS, dtype=np.float32):
        scales = whole * part
        levels = np.clip(np.rint(rows / scales[:, None]), -WEIGHT_QMAX, WEIGHT_QMAX)
        error = rows - levels * scales[:, None]
        harm = np.einsum("cn,cn->c", error, error)
        better = harm < least
        best[better], least[better] = scales[better], harm[better]
    return best


def _rows(weight: NDArray[np.floating], axis: int) -> NDArray[np.float32]:
    """(channels, values per channel)."""
    channels = weight.shape[axis]
    return np.moveaxis(weight, axis, 0).reshape(channels, -1).astype(np.float32)
