"""From a runtime's raw profile to a table: how long each operator takes, which module of the model it is, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = "LiteRT's profiler with XNNPACK's operators; whole microseconds, each operator rounded down"
RESOLUTION_MS = 1e-3


def operator_table(path: Path, profile: dict[str, Any]) -> dict[str, Any]:
    """The "operators" of a record, from what converters/tflite/operator_profile.py printed.

    Means over the faster half of the runs, as a disturbed run says nothing about operators. `whole_ms` is the same mean over the
    faster half of as many runs without the profiler, in the same process. What the operators do not add up to is `unattributed_ms`;
    up to `rounding_ms` of it can be the profiler's rounding. Raises ArtefactError.
    """
    from converters.tflite.operator_names import origins

    kept = faster_half(np.asarray(profile["whole_us"]))
    times_ms = np.array([np.asarray(entry["us"])[kept].mean() / 1e3 for entry in profile["operators"]])
    unprofiled = np.asarray(profile["unprofiled_us"])
    whole_ms = float(unprofiled[faster_half(unprofiled)].mean()) / 1e3
    rows = []
    found = origins(path, [entry["name"] for entry in profile["operators"]])
    for entry, origin, time_ms in zip(profile["operators"], found, times_ms, strict=True):
        rows.append(
            {
                "operator": entry["name"],
                "kind": origin.kind if origin else None,
                "module": origin.module if origin else None,
                "delegated": entry["delegated"],
                "ms": round(float(time_ms), 6),
            }
        )
    total_ms = float(times_ms.sum())
    return {
        "source": SOURCE,
        "runs": len(kept),
        "whole_ms": whole_ms,
        "sum_ms": total_ms,
        "share": total_ms / whole_ms,
        "unattributed_ms": whole_ms - total_ms,
        "rounding_ms": len(rows) * RESOLUTION_MS,
        "rows": rows,
    }


def faster_half(times: Any) -> Any:
    """Positions of the faster half of the runs (at least one)."""
    return np.argsort(times, kind="stable")[: max(1, len(times) // 2)]


def by_module(rows: list[dict[str, Any]], depth: int) -> list[tuple[str, float]]:
    """(module path cut to `depth` parts, ms), in the order of execution. Operators of no known module are "(other)"."""
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        totals[".".join(row["module"].split(".")[:depth]) if row["module"] else "(other)"] += row["ms"]
    return list(totals.items())


def by_kind(rows: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """(kind, number of operators, ms), slowest first."""
    counts: dict[str, int] = defaultdict(int)
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        kind = row["kind"] or row["operator"]
        counts[kind] += 1
        totals[kind] += row["ms"]
    return sorted(((kind, counts[kind], total) for kind, total in totals.items()), key=lambda entry: -entry[2])
