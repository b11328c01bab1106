"""A histogram of a stream of values whose extremes are not known beforehand."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 4096
SAMPLE = 16_384
_FINEST_EXPONENT = -126  # of the bin width; keeps 1 / width within float32
_LARGEST_INDEX_EXPONENT = 30  # bin indices stay within int32


class StreamingHistogram:
    """Counts of `bins` equally wide bins that widen when values fall outside.

    Bins lie at whole multiples of their width, a power of two, so that widening merges neighbours exactly: the counts
    are those of one histogram over all values, whatever their order, and zero is always a bin's edge. (Negative values
    of under 2^-126 bin widths count as zero.) The observed range fills about half of the bins or more, once it is wider
    than a point.

    Of more than `sample` values per run a regular subsample is counted, its stride prime to the tensor's size
    (so that it runs over all rows, columns and channels), its first value another one at each call, its counts
    multiplied by the stride. `low` and `high` are exact, over all values.
    """

    def __init__(self, bins: int = BINS, sample: int = SAMPLE) -> None:
        self.bins = bins
        self.sample = sample
        self.low = math.inf
        self.high = -math.inf
        self._counts = np.zeros(bins, np.int64)
        self._exponent = _FINEST_EXPONENT  # of the bin width
        self._start = 0  # index of the first bin, which begins at start * width
        self._calls = 0

    @property
    def width(self) -> float:
        """Width of a bin, in the values' unit."""
        return math.ldexp(1.0, self._exponent)

    def add(self, values: NDArray[np.float32], low: float, high: float, runs: int = 1) -> None:
        """Counts finite `values` (n,) of `runs` runs, whose extremes are `low` and `high`."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._make_room()
        stride = _stride(values.size, self.sample * runs)
        chosen = values[self._calls % stride :: stride]
        scaled = np.multiply(chosen, np.float32(math.ldexp(1.0, -self._exponent)))
        indices = np.floor(scaled, out=scaled).astype(np.int32)
        indices -= self._start
        self._counts += np.bincount(indices, minlength=self.bins) * stride
        self._calls += 1

    def non_empty(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centers and counts of the bins that hold something, in increasing order."""
        filled = np.flatnonzero(self._counts)
        centers = (filled + self._start).astype(np.float64) + 0.5
        return centers * self.width, self._counts[filled].astype(np.float64)

    def merge(self, other: StreamingHistogram) -> None:
        """Adds what another histogram of as many bins has seen, exactly: both have their bins at multiples of a power of two."""
        if not other._calls:
            return
        if not self._calls:
            self.restore(other.state())
            return
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self._make_room(finest=other._exponent)
        filled = np.flatnonzero(other._counts)
        moved = ((filled + other._start) >> (self._exponent - other._exponent)) - self._start
        np.add.at(self._counts, moved, other._counts[filled])
        self._calls += other._calls

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything it holds, for `restore`."""
        filled = np.flatnonzero(self._counts)
        numbers = np.array([self._exponent, self._start, self._calls], np.int64)
        extremes = np.array([self.low, self.high], np.float64)
        return {"filled": filled, "counts": self._counts[filled], "numbers": numbers, "extremes": extremes}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Becomes the histogram that gave `state`."""
        self._exponent, self._start, self._calls = map(int, state["numbers"])
        self.low, self.high = map(float, state["extremes"])
        self._counts = np.zeros(self.bins, np.int64)
        self._counts[state["filled"]] = state["counts"]

    def _make_room(self, finest: int = _FINEST_EXPONENT) -> None:
        """Widens or shifts the bins until [low, high] lies inside and no bin is finer than 2^finest."""
        first, last = self._index(self.low, self._exponent), self._index(self.high, self._exponent)
        if self._start <= first and last < self._start + self.bins and self._calls and self._exponent >= finest:
            return
        exponent = max(self._exponent, finest, _coarse_enough(self.low, self.high, self.bins))
        while self._index(self.high, exponent) - self._index(self.low, exponent) >= self.bins:
            exponent += 1
        start = self._index(self.low, exponent)
        filled = np.flatnonzero(self._counts)
        shift = min(exponent - self._exponent, _LARGEST_INDEX_EXPONENT + 1)
        moved = ((filled + self._start) >> shift) - start
        self._counts = np.bincount(moved, weights=self._counts[filled], minlength=self.bins).astype(np.int64)
        self._exponent, self._start = exponent, start

    @staticmethod
    def _index(value: float, exponent: int) -> int:
        return math.floor(math.ldexp(value, -exponent))


def _coarse_enough(low: float, high: float, bins: int) -> int:
    """An exponent of the width with which [low, high] spans at most bins + 1 bins of indices below 2^30."""
    span = math.frexp((high - low) / bins)[1] if high > low else _FINEST_EXPONENT
    magnitude = max(abs(low), abs(high))
    largest = math.frexp(magnitude)[1] - _LARGEST_INDEX_EXPONENT if magnitude else _FINEST_EXPONENT
    return max(_FINEST_EXPONENT, span, largest)


@functools.lru_cache(maxsize=4096)
def _stride(size: int, sample: int) -> int:
    """The smallest stride that leaves at most `sample` of `size` values and is prime to `size`."""
    stride = -(-size // sample)
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride
