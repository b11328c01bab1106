"""Figures as they are kept: of latencies, and of two sets of logits. How they are computed is in `statistics` and `metrics`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evit_mobile.strict_json import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its 95 % confidence interval, in the unit of the samples."""

    value: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half of the interval as a share of the value."""
        return (self.high - self.low) / 2 / self.value if self.value else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One series of latencies. `correlation_time` is tau, in runs: 1 for independent ones."""

    runs: int
    p50: Estimate
    p90: Estimate
    p99: Estimate
    mean: float
    minimum: float
    maximum: float
    correlation_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`actual` against `expected`. `top1_agreement` is a fraction of the images or, for maps of classes, of the pixels; with several
    labels that of the class that agrees least; None for features, which have no classes. `max_abs_error` is in the output's own units.
    """

    sqnr_db: Measured
    cosine: Measured
    max_abs_error: Measured
    top1_agreement: float | None
