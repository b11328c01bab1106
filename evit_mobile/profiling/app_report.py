"""Reads what the demo apps export: latencies that an app itself measured on its device. Format: docs/profile.md, "App report"."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.errors import ArtefactError
from converters.files import sha256
from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading, between
from evit_mobile.profiling.energy.account import entry as account
from evit_mobile.profiling.measured import NO_OPERATORS, Asked, Measured
from evit_mobile.profiling.metrickit import summary
from evit_mobile.profiling.protocol import MAXIMUM_BLOCK_RUNS, Measurement, Settings
from evit_mobile.profiling.records import Subject
from evit_mobile.profiling.stored import unavailable
from evit_mobile.profiling.xcode_report import SUFFIX, is_xcode_report, read_xcode_report, report_file
from evit_mobile.progress import Report
from evit_mobile.statistics import is_precise, is_steady

SCHEMA = 1
THERMAL_STATES = ("nominal", "fair", "serious", "critical")
"""ProcessInfo.ThermalState, in order; Android's are told in these terms."""

POWER_RESOLUTION_MJ = 1e-3
"""Android counts microwatt-seconds."""

MINIMUM_RUNS = 2 * MAXIMUM_BLOCK_RUNS


def measured(path: str, subjects: Sequence[Subject], asked: Asked, _report: Report) -> list[Measured]:
    """What the report at `path` says. Raises ArtefactError."""
    return read_report(Path(path), subjects, asked.settings)


def read_report(path: Path, subjects: Sequence[Subject], settings: Settings) -> list[Measured]:
    """What was measured of each subject, found by its SHA-256, its operators and its energy. Xcode's Core ML performance reports
    are read too (xcode_report.py).

    Raises ArtefactError for a damaged report or one of other artefacts.
    """
    try:
        document = json.loads(report_file(path).read_text())
        if is_xcode_report(document):
            return [read_xcode_report(document, item, settings) for item in subjects]
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        entries = {str(entry["sha256"]): entry for entry in document["artefacts"]}
        chosen = [found(entries, item, path) for item in subjects]
        payloads = [summary(payload) for payload in document.get("metrickit", [])]
        return [
            Measured(
                measurement=measurement(document["device"], entry, settings, payloads),
                operators=NO_OPERATORS,
                energy=energy(entry),
            )
            for entry in chosen
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ArtefactError(
            got=f"{path}, which cannot be read ({type(error).__name__}: {error})",
            allowed=f"a report of a demo app, schema {SCHEMA}, or of Xcode's ({SUFFIX})",
            do="export it from the app or from Xcode again",
        ) from None


def found(entries: dict[str, Any], item: Subject, path: Path) -> dict[str, Any]:
    """The report's entry of an artefact. Raises ArtefactError."""
    digest = sha256(item.path)
    if digest not in entries:
        raise ArtefactError(
            got=f"{item.path} with SHA-256 {digest}, which is not in {path}",
            allowed=", ".join(f"{entry['name']} {key[:12]}" for key, entry in entries.items())
            or "nothing: the report is empty",
            do="name the artefact that the app was built with",
        )
    entry: dict[str, Any] = entries[digest]
    return entry


def measurement(
    device: dict[str, Any], entry: dict[str, Any], settings: Settings, payloads: list[dict[str, Any]]
) -> Measurement:
    """An entry as if we had measured it; a thermal state that the device does not tell is None. Raises ValueError, KeyError or
    TypeError for one that is not complete.
    """
    latencies = [float(value) for value in entry["latencies_ms"]]
    if len(latencies) < MINIMUM_RUNS or not all(np.isfinite(latencies)) or min(latencies) <= 0:
        raise ValueError(f"{len(latencies)} latencies; {MINIMUM_RUNS} positive ones are needed")
    states = [entry[name] for name in ("thermal_before", "thermal_after")]
    if not set(states) <= {*THERMAL_STATES, None}:
        raise ValueError(f"thermal states {' and '.join(map(str, states))}")
    before, after = ({"system": f"{device['model']}, {device['system']}", "cpu": device["model"]} for _ in states)
    blocks = np.array_split(latencies, len(latencies) // MAXIMUM_BLOCK_RUNS)
    return Measurement(
        loaded={
            "runtime": {
                "name": f"{entry.get('runtime', 'Core ML')}, {entry['compute_units']}",
                "version": str(device["system"]),
            },
            "load_ms": float(entry["load_ms"]),
            "first_run_ms": float(entry["first_run_ms"]),
        },
        latencies_ms=latencies,
        blocks_ms=[float(np.median(block)) for block in blocks],
        steady=is_steady(latencies, runs=len(latencies)),
        precise=is_precise(latencies, settings.bound, len(latencies) // 4),
        before=before | {"thermal_state": states[0]},
        after=after | {"thermal_state": states[1], "peak_memory_bytes": entry.get("peak_memory_bytes")},
        metrickit=payloads,
    )


def energy(entry: dict[str, Any]) -> dict[str, Any]:
    """The "energy" of a record, from the readings of an entry. Raises ValueError, KeyError or TypeError for a damaged one."""
    readings = entry.get("energy") or {"unavailable": "the app's report holds no energy"}
    if "unavailable" in readings:
        return unavailable(str(readings["unavailable"]))
    try:
        intervals = [
            between(reading(item["before"]), reading(item["after"]), inferences=int(item["inferences"]))
            for item in readings["intervals"]
        ]
        idle = [item for item in intervals if not item.inferences]
        busy = [item for item in intervals if item.inferences]
        return account(idle, busy, source=str(readings["source"]), resolution_mj=POWER_RESOLUTION_MJ)
    except EnergyUnavailableError as error:
        return unavailable(str(error))


def reading(moment: dict[str, Any]) -> Reading:
    """Counters of microwatt-seconds as joules."""
    return Reading(
        time_s=moment["time_ms"] / 1e3, joules={rail: value / 1e6 for rail, value in moment["rails_uws"].items()}
    )
