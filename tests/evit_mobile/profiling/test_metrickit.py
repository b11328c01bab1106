"""Payloads of MetricKit: numbers out of texts with units, and medians out of histograms."""

from __future__ import annotations

from typing import Any

import pytest

from evit_mobile.profiling.metrickit import number, signpost, summary


def post(*buckets: tuple[int, str, str]) -> dict[str, Any]:
    """A signpost with buckets of (count, start, end)."""
    values = {
        str(index): {"bucketCount": count, "bucketStart": start, "bucketEnd": end}
        for index, (count, start, end) in enumerate(buckets)
    }
    return {
        "signpostCategory": "benchmark",
        "signpostName": "inference",
        "totalSignpostCount": 9,
        "signpostIntervalData": {"histogrammedSignpostDurations": {"histogramValue": values}},
    }


@pytest.mark.parametrize(
    ("buckets", "median"),
    [
        ([(1, "0 ms", "1 ms"), (1, "1 ms", "2 ms")], 1.0),
        ([(1, "0 ms", "1 ms"), (2, "1 ms", "2 ms")], 2.0),
        ([(9, "1,000 ms", "2,000 ms"), (8, "200 ms", "300 ms")], 2000.0),
        ([(9, "200 ms", "300 ms"), (1, "1,000 ms", "2,000 ms")], 300.0),
        ([(0, "0 ms", "1 ms")], None),
        ([], None),
    ],
    ids=["half", "more than half", "unordered", "texts are no order", "counted nothing", "empty"],
)
def test_the_median_is_the_end_of_its_bucket(buckets: list[tuple[int, str, str]], median: float | None) -> None:
    assert signpost(post(*buckets))["median_at_most_ms"] == median


def test_a_signpost_without_intervals_is_counted() -> None:
    entry = post() | {"signpostIntervalData": None}
    assert signpost(entry) == {
        "category": "benchmark",
        "name": "inference",
        "count": 9,
        "median_at_most_ms": None,
    }


def test_memory_is_told_in_bytes_and_what_is_not_told_is_null() -> None:
    assert summary({"memoryMetrics": {"peakMemoryUsage": "1,234.5 kB"}})["peak_memory_bytes"] == 1_234_500
    assert summary({}) == {
        "begin": None,
        "end": None,
        "device": None,
        "system": None,
        "peak_memory_bytes": None,
        "signposts": [],
    }


@pytest.mark.parametrize("text", ["5 s", "5", "5 ms more"])
def test_another_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text!r} is not in ms"):
        number(text, "ms")
