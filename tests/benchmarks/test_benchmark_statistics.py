from __future__ import annotations

import math

import pytest

from benchmarks.statistics import Spread, paired_ratios, spread


def test_spread_is_the_median_and_the_quartiles() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(median=3.0, lower=2.0, upper=4.0)


def test_scaled_keeps_the_order() -> None:
    assert Spread(median=2.0, lower=1.0, upper=4.0).scaled(1e3) == Spread(median=2e3, lower=1e3, upper=4e3)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_spread_refuses_what_it_cannot_describe(values: list[float]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        spread(values)


def test_ratios_are_taken_within_rounds() -> None:
    assert paired_ratios([2.0, 40.0, 600.0], [1.0, 20.0, 300.0]) == [2.0, 2.0, 2.0]


def test_ratios_of_different_numbers_of_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_ratios([1.0], [1.0, 2.0])
