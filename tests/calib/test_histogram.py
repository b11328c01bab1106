"""The histogram of a stream is that of all its values at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from calib.histogram import StreamingHistogram
from calib.observers import MSEObserver
from tests.calib.streams import STREAMS, normal, watched


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


def histogram_of(*parts: list[float], bins: int = 4) -> StreamingHistogram:
    histogram = StreamingHistogram(bins=bins)
    for part in parts:
        histogram.add(np.array(part, np.float32), min(part), max(part))
    return histogram


def test_bins_by_hand() -> None:
    """0..3 in four bins of width 1; a 4 does not fit, and neighbours are merged into bins of width 2."""
    centers, counts = histogram_of([0, 1, 2, 3]).non_empty()
    assert (centers.tolist(), counts.tolist()) == ([0.5, 1.5, 2.5, 3.5], [1, 1, 1, 1])
    centers, counts = histogram_of([0, 1, 2, 3], [4]).non_empty()
    assert (centers.tolist(), counts.tolist()) == ([1.0, 3.0, 5.0], [2, 2, 1])


def test_zero_is_an_edge() -> None:
    centers, counts = histogram_of([-0.25, 0.25, 0.5]).non_empty()
    assert counts[centers < 0].sum() == 1
    assert counts[centers > 0].sum() == 2


@settings(max_examples=30)
@given(first=STREAMS, second=STREAMS)
def test_merged_halves_are_the_whole(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    one, other = (watched(MSEObserver(bins=64), *stream).histogram for stream in (first, second))
    whole = watched(MSEObserver(bins=64), *first, *second).histogram
    one.merge(other)
    assert (one.low, one.high) == (whole.low, whole.high)
    if one.width == whole.width:  # widths are powers of two, and a merge may keep a wider one
        for ours, expected in zip(one.non_empty(), whole.non_empty(), strict=True):
            np.testing.assert_array_equal(ours, expected)
    assert one.non_empty()[1].sum() == whole.non_empty()[1].sum()


def test_nothing_changes_nothing_in_a_merge() -> None:
    empty, full = StreamingHistogram(bins=4), histogram_of([0, 1, 1])
    full.merge(empty)
    assert full.non_empty()[1].tolist() == histogram_of([0, 1, 1]).non_empty()[1].tolist()
    empty.merge(full)
    assert (empty.low, empty.high, empty.width) == (0, 1, full.width)


def test_a_state_is_all_of_it() -> None:
    first = histogram_of([-3, 5, 700], bins=64)
    second = StreamingHistogram(bins=64)
    second.restore(first.state())
    for histogram in (first, second):
        histogram.add(np.array([-9000, 2], np.float32), -9000, 2)
    assert (first.low, first.high, first.width) == (second.low, second.high, second.width)
    np.testing.assert_array_equal(first.non_empty(), second.non_empty())
