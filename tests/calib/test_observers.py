"""Observers against numpy over all the values at once, and planted bad values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calib.errors import DataError
from calib.histogram import StreamingHistogram
from calib.methods import Method
from calib.observers import (
    EntropyObserver,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageObserver,
    MSEObserver,
    PercentileObserver,
    make_observer,
)

ELEMENTS = st.floats(-1e6, 1e6, width=32).map(lambda value: value if abs(value) > 1e-25 else 0.0)
STREAMS = st.lists(hnp.arrays(np.float32, st.integers(1, 40), elements=ELEMENTS), min_size=1, max_size=6)


def watched(observer: HistogramObserver, *tensors: np.ndarray) -> HistogramObserver:
    for tensor in tensors:
        observer.observe(tensor)
    return observer


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


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


@given(stream=STREAMS)
def test_histogram_is_numpys_whatever_the_order(stream: list[np.ndarray]) -> None:
    """Widening merges bins exactly: the counts equal those of one histogram with the final edges over all values."""
    histogram = watched(MSEObserver(bins=64), *stream).histogram
    everything = np.concatenate(stream).astype(np.float64)
    bins, counts = np.unique(np.floor(everything / histogram.width), return_counts=True)
    centers, ours = histogram.non_empty()
    np.testing.assert_array_equal(centers, (bins + 0.5) * histogram.width)
    np.testing.assert_array_equal(ours, counts)


@given(stream=STREAMS)
def test_histogram_stays_fine(stream: list[np.ndarray]) -> None:
    """The observed range fills nearly half of the bins or more, unless float32 itself is coarser than the bins."""
    histogram = watched(MSEObserver(bins=64), *stream).histogram
    everything = np.concatenate(stream)
    span, largest = float(everything.max()) - float(everything.min()), float(np.abs(everything).max())
    finest = max(2.0**-126, largest * 2.0**-29)
    assert histogram.width <= max(2 * span / 62, finest)


def test_a_stream_of_one_value_then_a_wide_one() -> None:
    histogram = watched(MSEObserver(), np.zeros(100, np.float32), normal(1000)).histogram
    _, counts = histogram.non_empty()
    assert counts.sum() == 1100
    assert histogram.width <= 2 * (histogram.high - histogram.low) / 4094


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


def test_sampling_reaches_every_column_and_channel() -> None:
    """A stride that divided the width would see one column only; here each value names its column or its channel."""
    shape = (1, 24, 112, 112)
    channels, columns = np.indices(shape, np.float32)[[1, 3]]
    for values, kinds in ((channels, 24), (columns, 112)):
        histogram = watched(MSEObserver(bins=128, sample=2000), values).histogram
        _, counts = histogram.non_empty()
        assert len(counts) == kinds
        assert counts.sum() == pytest.approx(values.size, rel=0.01)
        assert counts.min() > 0.8 * counts.max()


def test_every_call_samples_other_values() -> None:
    values = np.arange(1000, dtype=np.float32)
    histogram = StreamingHistogram(bins=1024, sample=100)
    for _ in range(11):  # the stride is 11, the smallest prime to 1000 that leaves at most 100
        histogram.add(values, 0.0, 999.0)
    _, counts = histogram.non_empty()
    np.testing.assert_array_equal(counts, np.full(1000, 11.0))


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
