"""How long a cell takes and how much memory: a rule from the size of the model, scaled to the cells that are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from converters.contract import Precision
from evit_mobile.models.bundled import DEFAULT_MODEL
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.request import ConvertRequest
from evit_mobile.spec import MODELS, find_spec
from evit_mobile.sweeps.records import CellRecord

BASE_BYTES, BYTES_PER_PARAMETER = 0.9e9, 40.0
"""m0 (2.3 M parameters) was seen to take 1 GB, l3 (246 M) 10.5 GB."""
BASE_S, S_PER_GMAC = 15.0, 30.0
SLOWER = {Precision.FP32: 0.6, Precision.FP16: 0.7}
"""Times of a cell that calibrates nothing to those of one that does."""
BYTES_PER_WEIGHT = 4
HEADROOM = 1.2
"""Cells alike do not take the same memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of one cell, on one processor."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A model by its parameters and multiply-accumulates."""

    params: int
    macs: int


class Estimator:
    """The rule, times the median of what finished cells of the same format and precision took to what it says; else of all cells."""

    def __init__(self, finished: Sequence[CellRecord] = ()) -> None:
        self._ratios: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for one in finished:
            rule = ruled(Weight(params=one.params, macs=one.macs), one.precision)
            pair = one.seconds / rule.seconds, one.peak_bytes / rule.memory_bytes
            for key in ((one.format, str(one.precision)), ("", "")):
                self._ratios.setdefault(key, []).append(pair)

    def estimate(self, request: ConvertRequest) -> Estimate:
        """Of a cell that is not finished."""
        rule = ruled(weight_of(request), request.precision)
        format = (request.formats or ("",))[0]
        ratios = self._ratios.get((format, str(request.precision))) or self._ratios.get(("", ""))
        if not ratios:
            return rule
        times, sizes = zip(*ratios, strict=True)
        return Estimate(
            seconds=rule.seconds * median(times), memory_bytes=int(rule.memory_bytes * max(sizes) * HEADROOM)
        )


def ruled(weight: Weight, precision: Precision) -> Estimate:
    """What the rule says."""
    seconds = (BASE_S + S_PER_GMAC * weight.macs / 1e9) * SLOWER.get(precision, 1.0)
    return Estimate(seconds=seconds, memory_bytes=int(BASE_BYTES + BYTES_PER_PARAMETER * weight.params))


def weight_of(request: ConvertRequest) -> Weight:
    """How heavy a request's model is: of the variant that it names, or as many parameters as its file has room for."""
    own = request.weights not in (None, "bundled", "hub", "random")
    name = request.model or (None if own else DEFAULT_MODEL)
    if name in MODELS:
        spec = find_spec(name, size=request.size, num_classes=request.num_classes)
        return Weight(params=count_parameters(spec), macs=count_macs(spec))
    file = Path(str(request.weights))
    params = file.stat().st_size // BYTES_PER_WEIGHT if file.is_file() else 0
    return Weight(params=params, macs=40 * params)
