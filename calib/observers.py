"""Range observers: each watches one tensor over the calibration images, in one pass, and then gives a range for it.

`make_observer("mse")`, then `observe(tensor)` once per image, then `range()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.histogram import BINS, SAMPLE, StreamingHistogram
from calib.methods import Method
from calib.ranges import Range, affine_parameters, entropy_range, mse_range, percentile_range

if TYPE_CHECKING:
    from torch import Tensor


State = Mapping[str, NDArray[Any]]

__all__ = [
    "EntropyObserver",
    "HistogramObserver",
    "MSEObserver",
    "Method",
    "MinMaxObserver",
    "MovingAverageObserver",
    "Observer",
    "PercentileObserver",
    "affine_parameters",
    "make_observer",
]


class Observer(Protocol):
    """Watches one tensor. `name` appears in errors."""

    name: str

    def observe(self, tensor: Tensor | NDArray[np.floating], runs: int = 1) -> None:
        """Takes the values of one run, or of several: (runs, ...). Raises DataError for NaN, infinity, or an empty tensor."""

    def range(self) -> Range:
        """(low, high), low <= high, not necessarily around zero. Raises DataError when nothing was observed."""

    def merge(self, other: Self) -> None:
        """Adds what another observer of the same kind has seen, as if one had watched both tensors."""

    def state(self) -> State:
        """Everything observed so far, as arrays that can be stored."""

    def restore(self, state: State) -> None:
        """Goes on from where the observer that gave `state` was."""


class MinMaxObserver:
    """The exact extremes of everything observed."""

    def __init__(self, name: str = "a tensor") -> None:
        self.name = name
        self._low, self._high = math.inf, -math.inf

    def observe(self, tensor: Tensor | NDArray[np.floating], runs: int = 1) -> None:  # noqa: ARG002  # makes no difference here
        low, high = _extremes(_flat(tensor), self.name)
        self._low, self._high = min(self._low, low), max(self._high, high)

    def range(self) -> Range:
        return _observed(self._low, self._high, self.name)

    def merge(self, other: MinMaxObserver) -> None:
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)

    def state(self) -> State:
        return {"extremes": np.array([self._low, self._high], np.float64)}

    def restore(self, state: State) -> None:
        self._low, self._high = map(float, state["extremes"])


class MovingAverageObserver(MinMaxObserver):
    """Moving averages of each run's extremes: average += constant * (new - average), starting at the first run's."""

    def __init__(self, name: str = "a tensor", constant: float = 0.01) -> None:
        super().__init__(name)
        self.constant = constant

    def observe(self, tensor: Tensor | NDArray[np.floating], runs: int = 1) -> None:
        for run in [tensor] if runs == 1 else tensor:
            low, high = _extremes(_flat(run), self.name)
            if self._low > self._high:
                self._low, self._high = low, high
            self._low += self.constant * (low - self._low)
            self._high += self.constant * (high - self._high)


class HistogramObserver:
    """Base of the observers that choose the range from a streaming histogram at the end.

    Up to `sample` values per run are counted, all of them when there are no more; the extremes are exact
    (see StreamingHistogram).
    """

    def __init__(self, name: str = "a tensor", *, bins: int = BINS, sample: int = SAMPLE) -> None:
        self.name = name
        self.histogram = StreamingHistogram(bins, sample)

    def observe(self, tensor: Tensor | NDArray[np.floating], runs: int = 1) -> None:
        values = _flat(tensor)
        low, high = _extremes(values, self.name)
        self.histogram.add(values, low, high, runs)

    def merge(self, other: HistogramObserver) -> None:
        self.histogram.merge(other.histogram)

    def state(self) -> State:
        return self.histogram.state()

    def restore(self, state: State) -> None:
        self.histogram.restore(state)

    def extremes(self) -> Range:
        """The exact extremes. Raises DataError when nothing was observed."""
        return _observed(self.histogram.low, self.histogram.high, self.name)


class PercentileObserver(HistogramObserver):
    """Cuts 100 - percentile percent of the values off each tail."""

    def __init__(
        self, name: str = "a tensor", *, percentile: float = 99.99, bins: int = BINS, sample: int = SAMPLE
    ) -> None:
        super().__init__(name, bins=bins, sample=sample)
        self.percentile = percentile

    def range(self) -> Range:
        low, high = self.extremes()
        cut = percentile_range(*self.histogram.non_empty(), self.histogram.width, self.percentile)
        return min(max(cut[0], low), high), max(min(cut[1], high), low)


class MSEObserver(HistogramObserver):
    """The range, around zero, whose int8 representation has the least squared error."""

    def range(self) -> Range:
        return mse_range(*self.histogram.non_empty(), *self.extremes())


class EntropyObserver(HistogramObserver):
    """The range, around zero, whose 256-level histogram diverges least from the observed one."""

    def range(self) -> Range:
        return entropy_range(*self.histogram.non_empty(), *self.extremes())


OBSERVERS: dict[Method, Callable[[str], Observer]] = {
    Method.MIN_MAX: MinMaxObserver,
    Method.MOVING_AVERAGE: MovingAverageObserver,
    Method.PERCENTILE: PercentileObserver,
    Method.MSE: MSEObserver,
    Method.ENTROPY: EntropyObserver,
}


def make_observer(method: str, name: str = "a tensor") -> Observer:
    """A fresh observer of the tensor `name`. Raises DataError for an unknown method."""
    if method not in list(Method):
        raise DataError(got=f"observer {method!r}", allowed=", ".join(Method), do="name one of these")
    return OBSERVERS[Method(method)](name)


def _array(tensor: Tensor | NDArray[np.floating]) -> NDArray[np.float32]:
    array = tensor if isinstance(tensor, np.ndarray) else tensor.detach().cpu().float().numpy()
    return array.astype(np.float32, copy=False)


def _flat(tensor: Tensor | NDArray[np.floating]) -> NDArray[np.float32]:
    """All values (n,) in memory order, without a copy where the tensor is contiguous in any order."""
    return _array(tensor).ravel(order="K")


def _extremes(values: NDArray[np.float32], name: str) -> Range:
    if values.size == 0:
        raise DataError(got=f"no values in {name}", allowed="tensors with values", do="check the model's input size")
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            got=f"NaN or infinity in {name}",
            allowed="finite values on every calibration image",
            do="check the checkpoint and the preprocessing",
        )
    return low, high


def _observed(low: float, high: float, name: str) -> Range:
    if low > high:
        raise _nothing_observed(name)
    return low, high


def _nothing_observed(name: str) -> DataError:
    return DataError(
        got=f"no observation of {name}",
        allowed="at least one run",
        do="observe the calibration images before the range",
    )
