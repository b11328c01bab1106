"""The table of what a verdict asks for: every row is missed alone, by NaN too, and asked only where it applies."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from evit_mobile.figures import Comparison
from evit_mobile.findings import Hop
from evit_mobile.thresholds import Thresholds
from evit_mobile.validation.owed import METRICS, Seen, find_faults

LIMITS = Thresholds(min_sqnr_db=15.0, min_top1_agreement=0.95, min_faithful_db=20.0, max_top1_drop=1.0)
GOOD = Comparison(sqnr_db=30.0, cosine=1.0, max_abs_error=0.1, top1_agreement=0.99)
FIRST = Hop(start="reference", end="rewritten", step=GOOD, total=GOOD)
LAST = Hop(start="quantized", end="tflite", step=GOOD, total=GOOD)
SEEN = Seen(hops=(FIRST, LAST), top1_reference=90.0, top1_artefact=89.5, detail=", they tie")


def with_last(**changed: Comparison) -> Seen:
    return replace(SEEN, hops=(FIRST, replace(LAST, **changed)))


def missing(value: float) -> dict[str, Seen]:
    """By row, what misses its threshold and no other one."""
    return {
        "sqnr_db": with_last(total=replace(GOOD, sqnr_db=value)),
        "top1_agreement": with_last(total=replace(GOOD, top1_agreement=value)),
        "faithful_db": with_last(step=replace(GOOD, sqnr_db=value)),
        "top1": replace(SEEN, top1_artefact=value),
    }


def test_nothing_is_missed_by_what_is_good() -> None:
    assert find_faults(SEEN, LIMITS) == []


@pytest.mark.parametrize("value", [0.5, math.nan, -math.inf])
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_row_is_missed_alone(metric: object, value: float) -> None:
    name = metric.name  # type: ignore[attr-defined]  # a Metric
    (fault,) = find_faults(missing(value)[name], LIMITS)
    assert f"{value:.1f}"[:3] in fault
    assert "required" in fault
    assert ("they tie" in fault) == (name == "top1_agreement")
    assert ("against the quantized program" in fault) == (name == "faithful_db")


def test_rows_that_do_not_apply_are_not_asked() -> None:
    """No labels, no classes, and an artefact that is held against the reference alone."""
    total = replace(GOOD, top1_agreement=None)
    alone = Seen(hops=(Hop(start="reference", end="tflite", step=replace(GOOD, sqnr_db=16.0), total=total),))
    assert find_faults(alone, LIMITS) == []
    assert find_faults(replace(SEEN, top1_artefact=None), LIMITS) == []
