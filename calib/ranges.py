"""From observed values to int8 parameters: which range to represent, and the scale and zero point that do it.

n bins, k candidates: a histogram is given as `centers` (n,) and `counts` (n,) of its non-empty bins, ascending.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError

Floats = NDArray[np.float64]
Range = tuple[float, float]
Loss = Callable[[Floats, Floats], Floats]
"""Harm of representing only [low, high]: lows (k,), highs (k,) -> (k,)."""

QMIN, QMAX = -128, 127
LEVELS = QMAX - QMIN + 1
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
COARSE_STEPS = 64
FINE_STEPS = 33


def affine_parameters(low: float, high: float, symmetric: bool = False, bits: int = 8) -> tuple[float, int]:
    """(scale, zero_point) for int8 -128..127, or as many `bits`: real = scale * (q - zero_point). Zero is always represented exactly.

    The range is widened to contain zero. The scale is a float32's value, as files store it. Symmetric means zero point
    0 and scale max(|low|, |high|) / 127 (the largest code). A tensor that is always zero gets scale 1 and zero point 0.
    Raises DataError unless low <= high and both are finite.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise DataError(
            got=f"an activation range {low}..{high}",
            allowed="finite bounds, low <= high",
            do="check the checkpoint and the calibration images",
        )
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return 1.0, 0
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    exact = max(-low, high) / most if symmetric else high / (most - least) - low / (most - least)
    scale = float(np.float32(max(exact, SMALLEST_SCALE)))
    zero_point = 0 if symmetric else min(most, max(least, round(least - low / scale)))
    return scale, zero_point


def percentile_range(centers: Floats, counts: Floats, width: float, percentile: float) -> Range:
    """The (100 - percentile)-th and the percentile-th percentile, linear inside each bin of `width`."""
    cumulative = np.concatenate(([0.0], np.cumsum(counts)))
    total = cumulative[-1]

    def at(fraction: float) -> float:
        wanted = fraction * total
        position = max(int(np.searchsorted(cumulative, wanted)) - 1, 0)
        inside = (wanted - cumulative[position]) / counts[position]
        return float(centers[position] + width * (inside - 0.5))

    return at(1 - percentile / 100), at(percentile / 100)


def mse_range(centers: Floats, counts: Floats, low: float, high: float) -> Range:
    """The part of [low, high] whose int8 representation has the least squared error over the histogram.

    Rounding and clipping are both computed on the bin centers, not modelled.
    """
    values, weights = centers.astype(np.float32), counts.astype(np.float32)

    def loss(lows: Floats, highs: Floats) -> Floats:
        parameters = [affine_parameters(*bounds) for bounds in zip(lows, highs, strict=True)]
        scales = np.array([[scale] for scale, _ in parameters], np.float32)
        zeros = np.array([[zero_point] for _, zero_point in parameters], np.float32)
        levels = np.rint(values / scales)
        np.clip(levels, QMIN - zeros, QMAX - zeros, out=levels)
        error = values - levels * scales
        return np.asarray(np.square(error, out=error) @ weights, np.float64)

    return _search(loss, low, high, smallest=1 / COARSE_STEPS)


def entropy_range(centers: Floats, counts: Floats, low: float, high: float) -> Range:
    """The part of [low, high] whose 256-level histogram diverges least (Kullback-Leibler) from the clipped one.

    The method of TensorRT's calibrator, for both ends: what lies outside is added to the outermost bins of the
    reference distribution only, so clipping costs. The bin above zero counts no more than the next one: it holds ReLU's
    zeros, which every range represents exactly. No candidate end is under 1/16 of the observed one.
    """
    above_zero = int(np.searchsorted(centers, 0.0))
    levelled = counts.copy()
    if above_zero + 1 < len(counts):
        levelled[above_zero] = min(counts[above_zero], counts[above_zero + 1])

    def loss(lows: Floats, highs: Floats) -> Floats:
        return np.array([_divergence(centers, levelled, *bounds) for bounds in zip(lows, highs, strict=True)])

    return _search(loss, low, high, smallest=1 / 16)


def _divergence(centers: Floats, counts: Floats, low: float, high: float) -> float:
    """KL(clipped histogram || its 256-level version), in nats; infinite when nothing lies inside."""
    first, last = np.searchsorted(centers, (low, high))
    if first == last:
        return math.inf
    inside = counts[first:last]
    reference = inside.copy()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last:].sum()
    levels = np.minimum((centers[first:last] - low) * (LEVELS / (high - low)), LEVELS - 1).astype(np.int64)
    mass = np.bincount(levels, weights=inside, minlength=LEVELS)
    bins = np.bincount(levels, minlength=LEVELS)
    candidate = (mass / np.maximum(bins, 1))[levels]
    p, q = reference / reference.sum(), candidate / inside.sum()
    return float(np.sum(p * np.log(p / q)))


def _search(loss: Loss, low: float, high: float, smallest: float) -> Range:
    """Coordinate search from the whole range: each end alone over COARSE_STEPS fractions, then finer, FINE_STEPS.

    Of equal candidates the widest wins. `low` and `high` are first widened to contain zero; an end at zero stays there.
    """
    bounds = np.array([min(low, 0.0), max(high, 0.0)])
    ends = [end for end in (1, 0) if bounds[end] != 0]
    coarse = np.linspace(1, smallest, COARSE_STEPS)
    around = np.linspace(1, -1, FINE_STEPS) * (coarse[0] - coarse[1])
    parts = np.ones(2)
    for finer in (False, True):
        for moved in ends:
            fractions = np.clip(parts[moved] + around, smallest, 1) if finer else coarse
            candidates = np.tile(parts, (len(fractions), 1))
            candidates[:, moved] = fractions
            lows, highs = (bounds * candidates).T
            parts = candidates[int(np.argmin(loss(lows, highs)))]
    low, high = (float(bound) for bound in bounds * parts)
    return low, high
