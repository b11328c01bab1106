"""Figures as they are kept."""

from __future__ import annotations

import json
import math

import pytest

from evit_mobile.figures import Comparison, Estimate
from evit_mobile.strict_json import read, to_json


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [(10.0, 9.0, 11.0, 0.1), (10.0, 9.0, 13.0, 0.2), (4.0, 4.0, 4.0, 0.0), (0.0, 0.0, 0.0, math.inf)],
)
def test_half_of_the_interval_as_a_share(value: float, low: float, high: float, expected: float) -> None:
    assert Estimate(value=value, low=low, high=high).relative_half_width == pytest.approx(expected)


def test_what_is_not_finite_is_null_in_a_file_and_not_a_number_afterwards() -> None:
    broken = Comparison(sqnr_db=-math.inf, cosine=math.nan, max_abs_error=math.inf, top1_agreement=0.5)
    document = json.loads(to_json(broken))
    assert document == {"sqnr_db": None, "cosine": None, "max_abs_error": None, "top1_agreement": 0.5}
    again = read(Comparison, document)
    assert math.isnan(again.sqnr_db)
    assert again.top1_agreement == 0.5
