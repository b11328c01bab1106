"""Observers against numpy over all the values at once, and planted bad values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calib.errors import DataError
from calib.methods import Method
from calib.observers import (
    EntropyObserver,
    MinMaxObserver,
    MovingAverageObserver,
    MSEObserver,
    PercentileObserver,
    make_observer,
)
from tests.calib.streams import STREAMS, normal


@given(stream=STREAMS)
def test_min_max_is_numpys(stream: list[np.ndarray]) -> None:
    observers = (MinMaxObserver(), MSEObserver(bins=64, sample=5))
    for observer in observers:
        for tensor in stream:
            observer.observe(tensor)
    everything = np.concatenate(stream)
    expected = (everything.min(), everything.max())
    assert observers[0].range() == expected
    assert observers[1].extremes() == expected  # exact whatever is sampled


@given(stream=STREAMS)
def test_moving_average_is_the_recurrence(stream: list[np.ndarray]) -> None:
    observer = MovingAverageObserver(constant=0.25)
    low, high = float(stream[0].min()), float(stream[0].max())
    for number, tensor in enumerate(stream):
        observer.observe(tensor)
        if number:
            low, high = 0.75 * low + 0.25 * float(tensor.min()), 0.75 * high + 0.25 * float(tensor.max())
    assert observer.range() == pytest.approx((low, high), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("magnitude", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_any_magnitude(magnitude: float) -> None:
    values = normal(5000) * np.float32(magnitude)
    observer = PercentileObserver(percentile=99)
    observer.observe(values)
    assert observer.range() == pytest.approx(tuple(np.percentile(values, (1, 99))), abs=0.02 * magnitude)


@given(
    values=hnp.arrays(np.float32, st.integers(1, 400), elements=st.floats(-100, 100, width=32)),
    percentile=st.floats(60, 100),
)
def test_percentile_is_a_percentile(values: np.ndarray, percentile: float) -> None:
    """By definition: no more than that share lies outside, up to the width of one bin."""
    observer = PercentileObserver(percentile=percentile)
    observer.observe(values)
    low, high = observer.range()
    slack, tail = observer.histogram.width, 1 - percentile / 100
    assert np.mean(values < low - slack) <= tail + 1e-9
    assert np.mean(values <= low + slack) >= tail - 1e-9
    assert np.mean(values > high + slack) <= tail + 1e-9
    assert np.mean(values >= high - slack) >= tail - 1e-9
    assert values.min() <= low <= high <= values.max()


def test_percentile_of_a_large_sample_is_numpys() -> None:
    values = normal(16_000)
    observer = PercentileObserver(percentile=99)
    observer.observe(values)
    assert observer.range() == pytest.approx(tuple(np.percentile(values, (1, 99))), abs=0.02)


def test_a_lone_outlier_is_clipped_where_that_pays() -> None:
    """One 20 among 2 million normal values. (Among 16,000, MSE rightly keeps it: clipping would cost more.)"""
    parts = normal(125, 16_000)
    parts[64, 17] = 20.0
    highs = {}
    for method in Method:
        observer = make_observer(method)
        for part in parts:
            observer.observe(part)
        highs[method] = observer.range()[1]
    assert highs[Method.MIN_MAX] == 20.0
    assert 3 < highs[Method.MOVING_AVERAGE] < 5
    assert highs[Method.PERCENTILE] == pytest.approx(3.72, abs=0.05)  # of the normal distribution, 99.99 %
    assert 4 < highs[Method.ENTROPY] < 12
    assert 4 < highs[Method.MSE] < 12


@pytest.mark.parametrize("method", Method)
def test_torch_and_numpy_agree(method: Method) -> None:
    values = normal(1, 8, 20, 20)
    ranges = []
    for tensor in (
        values,
        torch.from_numpy(values),
        torch.from_numpy(values).requires_grad_(),
        torch.from_numpy(values).to(memory_format=torch.channels_last),
        torch.from_numpy(values).transpose(1, 3),
    ):
        observer = make_observer(method)
        observer.observe(tensor)
        ranges.append(observer.range())
    assert ranges == [ranges[0]] * len(ranges)


def test_low_precision_tensors_are_read() -> None:
    observer = MinMaxObserver()
    observer.observe(torch.tensor([-1.5, 2.25], dtype=torch.bfloat16))
    assert observer.range() == (-1.5, 2.25)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("planted", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error_naming_the_tensor(method: Method, planted: float) -> None:
    observer = make_observer(method, "stage2.attention.q")
    values = normal(100_000)
    values[54_321] = planted
    with pytest.raises(DataError, match=r"NaN or infinity in stage2\.attention\.q"):
        observer.observe(values)


@pytest.mark.parametrize("method", Method)
def test_nothing_observed_is_an_error(method: Method) -> None:
    with pytest.raises(DataError, match="no observation"):
        make_observer(method).range()


def test_an_empty_tensor_is_an_error() -> None:
    with pytest.raises(DataError, match="no values"):
        MinMaxObserver().observe(np.zeros((1, 0), np.float32))


def test_an_unknown_method_lists_the_known() -> None:
    with pytest.raises(DataError, match="min-max, moving-average, percentile, mse, entropy"):
        make_observer("median")


def test_entropy_keeps_what_is_uniform() -> None:
    observer = EntropyObserver()
    observer.observe(np.linspace(0, 1, 16_000, dtype=np.float32))
    assert observer.range() == (0, pytest.approx(1, abs=0.02))


@pytest.mark.parametrize("method", list(Method))
def test_several_runs_at_once_are_as_good_as_one_after_the_other(method: Method) -> None:
    runs = torch.randn(6, 1, 8, 40, 40, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7).view(
        6, 1, 1, 1, 1
    )
    together, apart = make_observer(method), make_observer(method)
    together.observe(runs, runs=6)
    for run in runs:
        apart.observe(run)
    assert together.range() == pytest.approx(apart.range(), rel=0.02)
    if method in (Method.MIN_MAX, Method.MOVING_AVERAGE):
        assert together.range() == apart.range()
