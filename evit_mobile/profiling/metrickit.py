"""What MetricKit tells about an app in use: daily payloads that the iOS demo keeps in its report.

Form: `jsonRepresentation()` of Apple's MXMetricPayload, in which numbers are texts with units ("100,000 kB") and durations are histograms.
"""

from __future__ import annotations

from typing import Any


def summary(payload: dict[str, Any]) -> dict[str, Any]:
    """One payload: its time, the peak memory in bytes, and each signpost's count and median duration in ms (the upper end of the
    bucket that it lies in). What a payload does not tell is null. Raises ValueError, KeyError or TypeError for a damaged one."""
    memory = payload.get("memoryMetrics", {}).get("peakMemoryUsage")
    return {
        "begin": payload.get("timeStampBegin"),
        "end": payload.get("timeStampEnd"),
        "device": payload.get("metaData", {}).get("deviceType"),
        "system": payload.get("metaData", {}).get("osVersion"),
        "peak_memory_bytes": None if memory is None else round(1e3 * number(memory, "kB")),
        "signposts": [signpost(entry) for entry in payload.get("signpostMetrics", [])],
    }


def signpost(entry: dict[str, Any]) -> dict[str, Any]:
    """The intervals of one signpost."""
    intervals = entry.get("signpostIntervalData") or {}
    buckets = list(intervals.get("histogrammedSignpostDurations", {}).get("histogramValue", {}).values())
    count, seen, median_ms = sum(bucket["bucketCount"] for bucket in buckets), 0, None
    for bucket in sorted(buckets, key=lambda bucket: number(bucket["bucketStart"], "ms")):
        seen += bucket["bucketCount"]
        if count and 2 * seen >= count:
            median_ms = number(bucket["bucketEnd"], "ms")
            break
    return {
        "category": str(entry["signpostCategory"]),
        "name": str(entry["signpostName"]),
        "count": int(entry["totalSignpostCount"]),
        "median_at_most_ms": median_ms,
    }


def number(text: str, unit: str) -> float:
    """The number in a text such as "100,000 kB". Raises ValueError for another unit."""
    value, _, found = text.partition(" ")
    if found != unit:
        raise ValueError(f"{text!r} is not in {unit}")
    return float(value.replace(",", ""))
