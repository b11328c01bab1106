"""From readings to mJ per inference, and readings that no account can be made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evit_mobile.profiling.energy.account import (
    EnergyUnavailableError,
    Interval,
    Reading,
    between,
    entry,
    estimate,
    half_width,
)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (Reading(time_s=1.0, joules={"a": 5.0}), "came or went during the measurement: b"),
        (Reading(time_s=-1.0, joules={"a": 5.0, "b": 5.0}), "backwards"),
        (Reading(time_s=0.0, joules={"a": 5.0, "b": 5.0}), "stood still"),
        (Reading(time_s=1.0, joules={"a": 0.5, "b": 5.0}), "counter of a fell"),
    ],
)
def test_readings_that_do_not_fit(after: Reading, reason: str) -> None:
    with pytest.raises(EnergyUnavailableError, match=reason):
        between(Reading(time_s=0.0, joules={"a": 1.0, "b": 1.0}), after)


def repeated(watts: float, inferences: int = 0) -> list[Interval]:
    return [Interval(seconds=1.0, joules=watts + delta, inferences=inferences) for delta in (-0.01, 0.0, 0.01, 0.0)]


def test_idle_power_is_subtracted() -> None:
    """3 W idle, 8 W busy, 100 inferences a second: 50 mJ each, 80 mJ with the idle share."""
    result = entry(repeated(3.0), repeated(8.0, 100), source="s", resolution_mj=0.1)
    energy = result["mj_per_inference"]
    assert energy["low"] < 50 < energy["high"]
    assert energy["value"] == pytest.approx(50)
    assert energy["high"] - energy["low"] < 1
    assert result["mj_per_inference_with_idle"]["value"] == pytest.approx(80)
    assert (result["average_w"]["value"], result["idle_w"]["value"]) == (pytest.approx(8), pytest.approx(3))


def test_what_is_too_coarse_or_too_short_is_unavailable() -> None:
    with pytest.raises(EnergyUnavailableError, match="steps of 1000 mJ"):
        entry(repeated(3.0), repeated(8.0, 100), source="s", resolution_mj=1000)
    with pytest.raises(EnergyUnavailableError, match="fewer than two"):
        entry(repeated(3.0)[:1], repeated(8.0, 100), source="s", resolution_mj=0.1)


def test_a_counter_wraps_at_the_range_of_its_own_rail() -> None:
    before = Reading(time_s=1.0, joules={"a": 9.0, "b": 2.0})
    after = Reading(time_s=3.0, joules={"a": 1.0, "b": 5.0})
    assert between(before, after, {"a": 10.0, "b": 1000.0}, 7) == Interval(seconds=2.0, joules=5.0, inferences=7)
    with pytest.raises(EnergyUnavailableError, match="counter of a fell"):
        between(before, after, {"b": 1000.0})


def test_an_interval_is_students_and_other_errors_add_as_squares() -> None:
    """Of 1 to 5: a standard error of sqrt(2.5 / 5), and Student's 2.776 for four degrees of freedom, which is met within 2 %."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    half = half_width(values)
    assert half == pytest.approx(2.7764 * math.sqrt(0.5), rel=0.02)
    found = estimate(values, other_error=2.0)
    assert found["value"] == 3.0
    assert (found["high"] - 3.0, 3.0 - found["low"]) == (pytest.approx(math.hypot(half, 2.0)),) * 2


def test_repetitions_without_an_inference_are_no_measurement() -> None:
    with pytest.raises(EnergyUnavailableError, match="fewer than two repetitions"):
        entry(repeated(3.0), repeated(8.0, 0), source="s", resolution_mj=0.1)
