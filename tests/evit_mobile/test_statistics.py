"""Intervals that cover what they promise, on series whose truth is known."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from evit_mobile.statistics import (
    Estimate,
    correlation_time,
    is_precise,
    is_steady,
    median,
    quantile,
    ratio,
    slowdown,
    student_95,
    summarise,
)

Series = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Series]
LOW, HIGH = 0.93, 0.97
SIMULATIONS = 4000


def lognormal(random: np.random.Generator, runs: int) -> Series:
    """Skewed, median 1."""
    return np.exp(0.3 * random.standard_normal(runs))


def correlated(random: np.random.Generator, runs: int) -> Series:
    """Each run resembles the one before (0.5), median 1."""
    values = random.standard_normal(runs + 50)
    for index in range(1, len(values)):
        values[index] = 0.5 * values[index - 1] + np.sqrt(0.75) * values[index]
    return np.exp(0.1 * values[50:])


def disturbed(random: np.random.Generator, runs: int) -> Series:
    """Runs of 1 that now and then take much longer. The median is slightly above 1, see `disturbed_median`."""
    return 1 + 0.02 * random.standard_normal(runs) + (random.random(runs) < 0.1) * random.exponential(1.0, runs)


@functools.cache
def disturbed_median() -> float:
    return float(np.median(disturbed(np.random.default_rng(1), 4_000_000)))


CASES: list[tuple[Draw, Callable[[], float]]] = [
    (lognormal, lambda: 1.0),
    (correlated, lambda: 1.0),
    (disturbed, disturbed_median),
]


def coverage(
    estimate: Callable[[np.random.Generator], Estimate], truth: float, simulations: int = SIMULATIONS
) -> float:
    """Share of the simulations whose interval contains the truth."""
    random = np.random.default_rng(0)
    estimates = [estimate(random) for _ in range(simulations)]
    return float(np.mean([item.low <= truth <= item.high for item in estimates]))


@pytest.mark.parametrize(("draw", "truth"), CASES)
@pytest.mark.parametrize("runs", [50, 200])
def test_the_medians_interval_covers_95_percent(draw: Draw, truth: Callable[[], float], runs: int) -> None:
    assert LOW <= coverage(lambda random: median(draw(random, runs)), truth()) <= HIGH


def test_ignoring_correlation_would_be_seen() -> None:
    """The same series in random order hides their correlation: the interval is then far too narrow."""
    assert coverage(lambda random: median(random.permutation(correlated(random, 400))), 1.0, 1000) < 0.85


@pytest.mark.slow
def test_stopping_at_a_bound_keeps_the_coverage() -> None:
    def stopped(random: np.random.Generator) -> Estimate:
        samples, runs = correlated(random, 3000), 200
        while runs < len(samples) and not is_precise(samples[:runs], 0.01, 100):
            runs += 100
        return median(samples[:runs])

    assert LOW <= coverage(stopped, 1.0, simulations=1000) <= HIGH


def test_the_interval_of_p90_covers_95_percent() -> None:
    truth = float(np.exp(0.3 * 1.2815516))
    assert LOW <= coverage(lambda random: quantile(lognormal(random, 300), 0.9), truth) <= HIGH


def test_the_paired_ratio_covers_the_truth_and_is_narrower_than_the_medians() -> None:
    """Both members of a pair share what disturbs them; the true ratio is 1.25."""

    def pairs(random: np.random.Generator) -> tuple[Series, Series]:
        shared = 1 + 0.3 * random.random(60)
        return 1.25 * shared * np.exp(0.02 * random.standard_normal(60)), shared * np.exp(
            0.02 * random.standard_normal(60)
        )

    assert LOW <= coverage(lambda random: ratio(*pairs(random)), 1.25) <= HIGH
    slow, fast = pairs(np.random.default_rng(3))
    assert ratio(slow, fast).relative_half_width < median(slow).relative_half_width / 3


def test_a_ratio_needs_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 3"):
        ratio([1.0, 2.0], [1.0, 2.0, 3.0])


def test_correlation_time_of_known_processes() -> None:
    """Independent runs have tau 1, an autoregressive process of 0.5 has (1 + 0.5) / (1 - 0.5) = 3."""
    random = np.random.default_rng(0)
    assert correlation_time(random.standard_normal(20_000))[0] == pytest.approx(1.0, abs=0.1)
    assert correlation_time(np.log(correlated(random, 20_000)))[0] == pytest.approx(3.0, rel=0.1)
    assert correlation_time(np.ones(100)) == (1.0, 1)


@pytest.mark.parametrize(("degrees", "quantile_95"), [(4, 2.776), (10, 2.228), (30, 2.042), (1000, 1.962)])
def test_students_quantile_is_that_of_the_tables(degrees: float, quantile_95: float) -> None:
    assert student_95(degrees) == pytest.approx(quantile_95, rel=0.02)


def test_a_warm_up_is_not_steady_until_it_ends() -> None:
    random = np.random.default_rng(0)
    warm_up = 1 + 2 * np.exp(-np.arange(400) / 60) + 0.01 * random.standard_normal(400)
    first = next(runs for runs in range(30, 401) if is_steady(warm_up[:runs]))
    assert 150 < first < 400
    assert warm_up[first] < 1.15
    assert not is_steady(np.ones(29))


def test_steady_noise_is_steady() -> None:
    random = np.random.default_rng(0)
    steady = [is_steady(lognormal(random, 60)) for _ in range(300)]
    assert np.mean(steady) > 0.95


def test_throttling_is_told_from_noise() -> None:
    random = np.random.default_rng(0)
    noise = 1 + 0.05 * random.standard_normal(900)
    assert slowdown(noise).low < 1 < slowdown(noise).high
    throttled = slowdown(noise * np.repeat([1.0, 1.0, 1.3], 300))
    assert 1.25 < throttled.low < throttled.value < throttled.high < 1.35


def test_a_summary_holds_exact_quantiles() -> None:
    summary = summarise(np.arange(1.0, 102.0))
    assert (summary.runs, summary.p50.value, summary.p90.value, summary.p99.value) == (101, 51.0, 91.0, 100.0)
    assert (summary.minimum, summary.maximum, summary.mean) == (1.0, 101.0, 51.0)
    assert summary.p50.low < 51 < summary.p50.high


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [[1.0]]])
def test_what_is_no_series_is_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one finite number"):
        median(samples)
