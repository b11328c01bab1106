"""Medians, quartiles and paired ratios of what was measured in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median and quartiles of a sample, in the sample's unit."""

    median: float
    lower: float
    upper: float

    def scaled(self, factor: float) -> Spread:
        """The spread of the sample times a positive `factor`."""
        return Spread(median=self.median * factor, lower=self.lower * factor, upper=self.upper * factor)


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError for an empty sample or one with values that are not finite."""
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"got {list(values)}; allowed: at least one value, all finite")
    lower, median, upper = np.percentile(values, [25, 50, 75])
    return Spread(median=float(median), lower=float(lower), upper=float(upper))


def paired_ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """value / baseline of each round. What slows the machine down for a whole round cancels.

    Raises ValueError for samples of different length.
    """
    return [value / base for value, base in zip(values, baseline, strict=True)]
