"""The ways from what was observed to a range, by name. Imports nothing."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """How a tensor's range follows from its values on the calibration images (`calib.observers`)."""

    MIN_MAX = "min-max"
    MOVING_AVERAGE = "moving-average"
    PERCENTILE = "percentile"
    MSE = "mse"
    ENTROPY = "entropy"
