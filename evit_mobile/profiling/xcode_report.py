"""Reads Xcode's Core ML performance report: a folder `NAME.mlperf` with a report.json, or that file alone.

Apple does not document the form. This reads what public readers of such reports agree on: `deviceInfo`, `computeUnit` (the number of
MLComputeUnits), `modelMetadata.fileName`, and in `deviceResults` the samples of `predict` and `load` in seconds and the
`modelStructure` with each operation's preferred device and share of the estimated cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evit_mobile.profiling.estimates import EstimatedOperation, estimated_operators
from evit_mobile.profiling.measured import Measured
from evit_mobile.profiling.protocol import MAXIMUM_BLOCK_RUNS, Measurement, Settings
from evit_mobile.profiling.records import Subject
from evit_mobile.profiling.stored import unavailable
from evit_mobile.statistics import is_precise, is_steady

SUFFIX = ".mlperf"
REPORT_NAME = "report.json"
COMPUTE_UNITS = ("CPU", "CPU and GPU", "all", "CPU and Neural Engine")
"""MLComputeUnits, by number."""

MINIMUM_RUNS = 20


def is_xcode_report(document: Any) -> bool:
    """Whether a JSON document is such a report."""
    return isinstance(document, dict) and "deviceResults" in document


def report_file(path: Path) -> Path:
    """The JSON file of a report, or `path` itself where it is no folder."""
    return path / REPORT_NAME if path.is_dir() else path


def read_xcode_report(document: dict[str, Any], item: Subject, settings: Settings) -> Measured:
    """What was measured, its operators and its energy. The report knows its model by name only.

    Raises ValueError, KeyError or TypeError for a damaged report or one of another model.
    """
    name = str(document["modelMetadata"]["fileName"])
    if Path(name).name.removesuffix(item.path.suffix) != item.path.stem:
        raise ValueError(f"a report of {name}, not of {item.path.name}")
    results, device = document["deviceResults"], document["deviceInfo"]
    latencies = milliseconds(results["predict"], MINIMUM_RUNS)
    system = str(device["osNameAndVersionWithoutBuildNumber"])
    load = results.get("load")
    facts = {"system": f"{device['modelName']}, {system}", "cpu": str(device["modelName"])}
    measurement = Measurement(
        loaded={
            "runtime": {"name": f"Core ML, {COMPUTE_UNITS[document['computeUnit']]}", "version": system},
            "load_ms": float(np.median(milliseconds(load))) if load else None,
            "first_run_ms": None,
        },
        latencies_ms=latencies,
        blocks_ms=[
            float(np.median(block)) for block in np.array_split(latencies, -(-len(latencies) // MAXIMUM_BLOCK_RUNS))
        ],
        steady=is_steady(latencies, runs=len(latencies)),
        precise=is_precise(latencies, settings.bound, len(latencies) // 4),
        before=dict(facts),
        after=dict(facts),
    )
    return Measured(
        measurement=measurement,
        operators=operators(results, float(np.median(latencies))),
        energy=unavailable("Xcode's report holds no energy"),
    )


def milliseconds(results: dict[str, Any], at_least: int = 1) -> list[float]:
    """The samples of one kind. Raises ValueError for too few, or for one that is not positive."""
    samples = [1e3 * float(value) for value in results["samples"]]
    if len(samples) < at_least or not all(np.isfinite(samples)) or min(samples) <= 0:
        raise ValueError(f"{len(samples)} samples; {at_least} positive ones are needed")
    return samples


def operators(results: dict[str, Any], median_ms: float) -> dict[str, Any]:
    """The "operators" of a record."""
    found = [
        EstimatedOperation(
            operator=str(operation["operatorName"]),
            output=str((operation.get("outputs") or [{}])[0].get("name", "")),
            device=preferred_device(operation),
            weight=float(operation["cost"]["weight"]),
        )
        for operation in operations(results.get("modelStructure") or {})
        if operation.get("cost")
    ]
    return estimated_operators(found, median_ms)


def operations(structure: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The operations of an ML program, in order."""
    for function in structure.get("program", {}).get("_0", {}).get("functions", {}).values():
        yield from function["block"]["operations"]


def preferred_device(operation: dict[str, Any]) -> str:
    """`neuralEngine`, `gpu`, `cpu`, or `unknown`."""
    kinds = operation.get("deviceUsage", {}).get("preferred", {}).get("deviceType", {})
    return next(iter(kinds), "unknown")
