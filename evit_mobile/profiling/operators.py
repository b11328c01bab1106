"""From a runtime's raw profile to a table: how long each operator takes, which module of the model it is, and what is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from evit_mobile.profiling.records import Subject

COARSE = "; in whole microseconds, each operator rounded down"


def operator_table(item: Subject, profile: dict[str, Any]) -> dict[str, Any]:
    """The "operators" of a record, from what operator_worker.py printed.

    Means over the faster half of the runs, as a disturbed run says nothing about operators. `whole_ms` is the same mean of as many
    runs without a profiler, which took turns with the profiled ones (`profiled_ms`). What the operators do not add up to is
    `unattributed_ms`; up to `rounding_ms` of it can be the profiler's rounding. Raises ArtefactError.
    """
    from converters.xnnpack_names import origins

    profiled, kept = faster_half(profile["whole_us"])
    times_ms = np.array([np.asarray(entry["us"])[kept].mean() / 1e3 for entry in profile["operators"]])
    whole_ms = faster_half(profile["unprofiled_us"])[0] / 1e3
    names = [entry["name"] for entry in profile["operators"]]
    runtime = import_module(f"converters.{item.format}.operator_names")
    found = origins(names, *runtime.operator_names(item.path))
    rows = [
        {
            "operator": entry["name"],
            "kind": origin.kind if origin else None,
            "module": origin.module if origin else None,
            "delegated": entry["delegated"],
            "ms": round(float(time_ms), 6),
        }
        for entry, origin, time_ms in zip(profile["operators"], found, times_ms, strict=True)
    ]
    total_ms = float(times_ms.sum())
    return {
        "source": runtime.SOURCE + ("" if profile["resolution_us"] < 1 else COARSE),
        "runs": len(kept),
        "whole_ms": whole_ms,
        "profiled_ms": profiled / 1e3,
        "sum_ms": total_ms,
        "share": total_ms / whole_ms,
        "unattributed_ms": whole_ms - total_ms,
        "rounding_ms": len(rows) * profile["resolution_us"] / 1e3,
        "rows": rows,
    }


def faster_half(times: Any) -> tuple[float, Any]:
    """The mean of the faster half of the runs (at least one), and their positions."""
    kept = np.argsort(times, kind="stable")[: max(1, len(times) // 2)]
    return float(np.asarray(times)[kept].mean()), kept
