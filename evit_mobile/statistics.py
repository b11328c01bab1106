"""What can be said about latencies: medians and quantiles with 95 % intervals, ratios of pairs, steadiness, slowing down.

Latencies are skewed, so everything rests on ranks. Consecutive latencies resemble each other (a clock frequency or a noisy
neighbour lasts for many runs), so that n of them tell as much as n / tau independent ones. The intervals take that into account.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evit_mobile.figures import Estimate, Summary

Samples: TypeAlias = NDArray[np.float64]

Z_95 = 1.959964
"""97.5 % quantile of the standard normal distribution."""

MINIMUM_CORRELATION_TIME = 0.3

WINDOW_FACTOR = 4
"""Sokal's rule (1997): autocorrelation is summed up to the first lag that is this many times the sum so far."""

STEADY_RUNS = 30
STEADY_TOLERANCE = 0.02
SLOWDOWN_PARTS = 3

NORMAL_PER_MEDIAN_DIFFERENCE = 1 / (0.6744898 * math.sqrt(2))
"""Standard deviation of normal noise over the median size of the difference of two samples of it."""

MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, for normal noise."""


def summarise(latencies: ArrayLike) -> Summary:
    """Quantiles with intervals of a series (runs,) in the order of measurement."""
    samples = series(latencies)
    return Summary(
        runs=len(samples),
        p50=quantile(samples, 0.5),
        p90=quantile(samples, 0.9),
        p99=quantile(samples, 0.99),
        mean=float(samples.mean()),
        minimum=float(samples.min()),
        maximum=float(samples.max()),
        correlation_time=correlation_time(samples > np.median(samples))[0],
    )


def median(latencies: ArrayLike) -> Estimate:
    """The median of a series (runs,) with its 95 % interval."""
    return quantile(latencies, 0.5)


def quantile(latencies: ArrayLike, share: float) -> Estimate:
    """The quantile at `share` (0..1) with its 95 % interval from order statistics, interpolated between ranks.

    The number of samples below the true quantile has mean n * share and variance n * share * (1 - share) * tau; the interval
    reaches from the sample at the lower end of that spread to the one at its upper end (David and Nagaraja, Order Statistics,
    7.1). As tau is itself estimated, the spread is Student's. With few samples an end may be the smallest or largest one; the
    interval then covers less.
    """
    samples = series(latencies)
    count = len(samples)
    value = float(np.quantile(samples, share))
    tau, window = correlation_time(samples > value)
    # The relative variance of tau is 2 (2 W + 1) / n (Wolff 2004, eq. 42), that of a chi-squared variance 2 / degrees.
    spread = student_95(count / (2 * window + 1)) * math.sqrt(count * share * (1 - share) * tau)
    ordered = np.sort(samples)
    # The r-th smallest of n (r from 1) has about r - 0.5 samples below it.
    ranks = count * share + np.array([-spread, spread]) - 0.5
    low, high = np.interp(ranks, np.arange(count), ordered)
    return Estimate(value=value, low=float(low), high=float(high))


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Estimate:
    """The median ratio of pairs (pairs,) that were measured one after the other, with its 95 % interval.

    What disturbs both members of a pair alike cancels out. Raises ValueError for series of different lengths.
    """
    above, below = series(numerators), series(denominators)
    if len(above) != len(below):
        raise ValueError(f"got {len(above)} and {len(below)} values; allowed: pairs")
    return quantile(above / below, 0.5)


def correlation_time(samples: ArrayLike) -> tuple[float, int]:
    """Integrated autocorrelation time tau of a series (runs,), and the window W it was summed over, both in runs.

    tau is below 1 where a long run tends to be followed by a short one.
    """
    values = np.asarray(samples, dtype=np.float64)
    centred = values - values.mean()
    count, power = len(centred), float(centred @ centred)
    if power == 0:
        return 1.0, 1
    tau, lag = 1.0, 0
    for lag in range(1, count // 2):
        tau += 2 * float(centred[:-lag] @ centred[lag:]) / power
        if lag >= WINDOW_FACTOR * tau:
            break
    # The sample's own mean was subtracted, which takes 1 / n from every lag's correlation (Wolff 2004, eq. 49).
    return max(MINIMUM_CORRELATION_TIME, tau * (1 + (2 * lag + 1) / count)), lag


def student_95(degrees: float) -> float:
    """97.5 % quantile of Student's t distribution, by Cornish and Fisher's expansion; within 2 % from 4 degrees up."""
    first = (Z_95**3 + Z_95) / 4
    second = (5 * Z_95**5 + 16 * Z_95**3 + 3 * Z_95) / 96
    return Z_95 + first / degrees + second / degrees**2


def is_precise(latencies: ArrayLike, bound: float, look: int) -> bool:
    """Whether the median is known within `bound` (half of its interval as a share), now and `look` runs ago.

    Stopping as soon as an interval happens to be narrow stops too early; asking twice keeps the coverage (tested).
    """
    samples = series(latencies)
    return len(samples) > look and all(median(part).relative_half_width <= bound for part in (samples, samples[:-look]))


def is_steady(latencies: ArrayLike, *, runs: int = STEADY_RUNS, tolerance: float = STEADY_TOLERANCE) -> bool:
    """Whether the last `runs` runs got no faster: from their first half to their second the median fell by no more than
    `tolerance` (a share), or by no more than noise explains. Noise is what differs from one run to the next."""
    samples = series(latencies)[-runs:]
    if len(samples) < runs:
        return False
    first, second = np.array_split(samples, 2)
    deviation = float(np.median(np.abs(np.diff(samples)))) * NORMAL_PER_MEDIAN_DIFFERENCE
    noise = 2 * MEDIAN_ERROR * deviation * math.sqrt(1 / len(first) + 1 / len(second))
    return float(np.median(first) - np.median(second)) <= max(tolerance * float(np.median(first)), noise)


def slowdown(latencies: ArrayLike) -> Estimate:
    """How much slower the last third of a series (runs,) is than the first third: a ratio of medians with an interval."""
    thirds = np.array_split(series(latencies), SLOWDOWN_PARTS)
    return unpaired_ratio(thirds[-1], thirds[0])


def unpaired_ratio(numerators: ArrayLike, denominators: ArrayLike) -> Estimate:
    """The ratio of the medians of two series with its interval: the errors of their logarithms are taken as independent."""
    above, below = median(numerators), median(denominators)
    value = above.value / below.value
    less = math.hypot(math.log(above.value / above.low), math.log(below.high / below.value))
    more = math.hypot(math.log(above.high / above.value), math.log(below.value / below.low))
    return Estimate(value=value, low=value * math.exp(-less), high=value * math.exp(more))


def series(latencies: ArrayLike) -> Samples:
    """The samples as an array (runs,). Raises ValueError for none, or for one that is not a finite number."""
    samples = np.asarray(latencies, dtype=np.float64)
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"got samples of shape {samples.shape}; allowed: at least one finite number")
    return samples
