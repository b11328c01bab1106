"""Refusals of what does not go with the precision that was asked for, or not as it was asked for."""

from __future__ import annotations

from calib.methods import Method
from converters.contract import Precision
from evit_mobile.errors import UsageError
from evit_mobile.spec import Variation


def check_max_drop(max_drop: float | None, precision: Precision) -> None:
    """Raises UsageError for a limit below 0 or above 100 points, and for another precision than int8."""
    if max_drop is None:
        return
    if precision is not Precision.INT8:
        raise UsageError(
            got=f"--max-drop with precision {precision}",
            allowed="--max-drop with --int8, whose plan can leave modules float",
            do="leave --max-drop out, or convert with --int8",
        )
    if not 0 <= max_drop <= 100:
        raise UsageError(got=f"--max-drop {max_drop}", allowed="0 to 100 points", do="pass for example --max-drop 0.5")


def check_integers(variation: str | None, precision: Precision) -> None:
    """Raises UsageError for ReLU attention of integers only, a form that there is not yet."""
    if variation == Variation.RELU_ATTENTION and precision is Precision.INT8_FULL:
        others = [other for other in Precision if other is not Precision.INT8_FULL]
        raise UsageError(
            got=f"--{variation} with {precision}",
            allowed=f"--{variation} with {', '.join(others)}",
            do="choose one of these, or convert the original",
        )


def check_observer(observer: Method, precision: Precision) -> None:
    """Raises UsageError for an observer other than the usual one where none can be chosen: 16 bits have room for the largest values."""
    able = [known for known in Precision if known.calibrated and known is not Precision.A16W8]
    if observer is not Method.MSE and precision not in able:
        observes = "which always takes the whole range" if precision.calibrated else "which observes no ranges"
        raise UsageError(
            got=f"--observer {observer} with precision {precision}, {observes}",
            allowed=f"--observer with {', '.join(able)}",
            do="leave --observer out, or choose one of these",
        )


def check_works(precision: object) -> None:
    """Raises UsageError for a precision that was tried and does not work, with what was seen."""
    if precision == "a16w16":
        raise UsageError(
            got="precision a16w16, whose convolutions Qualcomm's compiler fails on: the whole session ends there",
            allowed=f"{Precision.A16W8}: activations of 16 bits, weights of 8",
            do=f"convert with --{Precision.A16W8}",
        )
