"""What does not go with a precision is refused, with the precisions that it goes with."""

from __future__ import annotations

import math

import pytest

from calib.methods import Method
from converters.contract import Precision
from evit_mobile.errors import UsageError
from evit_mobile.request.precisions import check_integers, check_max_drop, check_observer, check_works
from evit_mobile.spec import Variation


@pytest.mark.parametrize("max_drop", [None, 0, 0.5, 100])
def test_a_limit_of_points_goes_with_int8(max_drop: float | None) -> None:
    check_max_drop(max_drop, Precision.INT8)


@pytest.mark.parametrize("max_drop", [-0.1, 100.1, math.nan, math.inf])
def test_a_limit_is_from_0_to_100_points(max_drop: float) -> None:
    with pytest.raises(UsageError, match=f"got --max-drop {max_drop}; allowed: 0 to 100 points"):
        check_max_drop(max_drop, Precision.INT8)


@pytest.mark.parametrize("precision", [one for one in Precision if one is not Precision.INT8])
def test_no_other_precision_can_leave_modules_float(precision: Precision) -> None:
    check_max_drop(None, precision)
    with pytest.raises(UsageError, match=f"got --max-drop with precision {precision}; allowed: --max-drop with --int8"):
        check_max_drop(0.0, precision)


def test_relu_attention_has_no_form_of_integers_only() -> None:
    with pytest.raises(UsageError) as raised:
        check_integers(Variation.RELU_ATTENTION, Precision.INT8_FULL)
    assert raised.value.got == "--relu-attention with int8-full"
    assert "int8, " in raised.value.allowed
    assert "int8-full" not in raised.value.allowed
    check_integers(Variation.RELU_ACTIVATION, Precision.INT8_FULL)
    check_integers(None, Precision.INT8_FULL)
    check_integers(Variation.RELU_ATTENTION, Precision.INT8)


OBSERVING = {"int8", "int8-full", "int8-palette4", "int8-palette6"}
"""Precisions whose ranges are chosen."""


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("observer", list(Method))
def test_an_observer_goes_with_what_observes(observer: Method, precision: Precision) -> None:
    if precision.value in OBSERVING or observer is Method.MSE:
        check_observer(observer, precision)
        return
    reason = "always takes the whole range" if precision is Precision.A16W8 else "observes no ranges"
    with pytest.raises(UsageError, match=f"--observer {observer} with precision {precision}, which {reason}") as raised:
        check_observer(observer, precision)
    assert set(raised.value.allowed.removeprefix("--observer with ").split(", ")) == OBSERVING


@pytest.mark.parametrize("precision", [*Precision, "fp32", None, 7])
def test_what_works_or_is_unknown_is_let_through(precision: object) -> None:
    """Who reads the field names unknown ones."""
    check_works(precision)


def test_what_was_tried_and_fails_says_what_was_seen() -> None:
    with pytest.raises(UsageError, match=r"a16w16.*the whole session ends there.*convert with --a16w8"):
        check_works("a16w16")
