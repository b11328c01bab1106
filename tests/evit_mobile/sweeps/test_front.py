"""Fronts: what nothing beats, within limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_mobile.findings import Verdict
from evit_mobile.strict_json import FieldError
from evit_mobile.sweeps.front import Candidate, Limits, front, merit

PLAIN = Candidate(
    cell="a",
    title="a",
    path="a",
    manifest="a",
    on="xnnpack",
    runtime="r",
    verdict=Verdict.PASSED,
    bytes=10**6,
    sqnr_db=30.0,
    accuracy=90.0,
    agreement=1.0,
    lost_points=0.5,
)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=12))
def test_a_front_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    all_of_them = [replace(PLAIN, bytes=size * 10**6, accuracy=float(good)) for size, good in pairs]
    found = front(all_of_them, "size", "accuracy")
    for one, (size, good) in zip(all_of_them, pairs, strict=True):
        beaten = any(s <= size and g >= good and (s, g) != (size, good) for s, g in pairs)
        assert (one in found) is not beaten


def test_what_failed_or_is_unknown_is_on_no_front() -> None:
    failed = replace(PLAIN, verdict=Verdict.FAILED, accuracy=99.0)
    unknown = replace(PLAIN, accuracy=None)
    assert front([PLAIN, failed, unknown], "size", "accuracy") == [PLAIN]
    assert front([PLAIN], "latency", "accuracy") == []


def test_equal_files_share_a_place_on_the_front_and_the_cheapest_comes_first() -> None:
    small, twin = replace(PLAIN, cell="b", bytes=10, accuracy=80.0), replace(PLAIN, cell="c", bytes=10, accuracy=80.0)
    assert front([PLAIN, small, twin], "size", "accuracy") == [small, twin, PLAIN]


def test_costs_and_gains_have_their_units() -> None:
    one = replace(PLAIN, latency_ms=7.0, agreement=0.98)
    assert (one.cost("latency"), one.cost("size")) == (7.0, 1.0)
    assert (one.gain("accuracy"), one.gain("agreement"), one.gain("sqnr")) == (90.0, 98.0, 30.0)
    assert replace(one, agreement=None).gain("agreement") is None
    assert PLAIN.cost("latency") is None


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Limits(), True),
        (Limits(max_mb=1.0, max_drop=0.5, max_ms=7.0), True),
        (Limits(max_mb=0.99), False),
        (Limits(max_drop=0.49), False),
        (Limits(max_ms=6.9), False),
        (Limits(max_ms=0.0), False),
    ],
)
def test_a_limit_is_kept_by_what_is_just_as_much(limits: Limits, kept: bool) -> None:
    assert limits.kept_by(replace(PLAIN, latency_ms=7.0)) is kept


def test_what_is_not_known_or_not_passed_keeps_no_limit() -> None:
    assert not Limits(max_ms=100).kept_by(PLAIN)
    assert not Limits(max_drop=100).kept_by(replace(PLAIN, lost_points=None))
    assert not Limits().kept_by(replace(PLAIN, verdict=Verdict.FAILED))
    assert not Limits().kept_by(replace(PLAIN, verdict=Verdict.NOT_RUN))


@pytest.mark.parametrize("option", ["max_ms", "max_drop", "max_mb"])
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_a_limit_below_nothing_is_refused_by_its_option(option: str, value: float) -> None:
    with pytest.raises(FieldError, match=f"--{option.replace('_', '-')}: got {value}; allowed: 0 or more"):
        Limits(**{option: value})


def test_the_best_has_most_then_is_quickest_then_smallest() -> None:
    good, quick, small, unknown = (
        replace(PLAIN, cell="good", accuracy=91.0),
        replace(PLAIN, cell="quick", latency_ms=1.0),
        replace(PLAIN, cell="small", bytes=1),
        replace(PLAIN, cell="unknown", accuracy=None, latency_ms=0.1, bytes=0),
    )
    ordered = sorted([unknown, PLAIN, small, quick, good], key=merit("accuracy"))
    assert [one.cell for one in ordered] == ["good", "quick", "small", "a", "unknown"]
