"""The record of a measured artefact, as a line of profile.jsonl holds it. Schema: docs/profile.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError
from converters.files import sha256, size_bytes
from converters.registry import artefact_target
from evit_mobile.profiling.protocol import Measurement, Settings, throttling
from evit_mobile.profiling.stored import SCHEMA
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import Manifest
from evit_mobile.statistics import ratio, summarise
from evit_mobile.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An artefact to measure, with what its manifest says of it where it has one."""

    path: Path
    format: str
    precision: str | None
    model: str | None
    macs: int | None


def subject(path: Path) -> Subject:
    """The artefact at `path`. Raises ArtefactError when it is missing or no artefact."""
    format = artefact_target(path)
    manifest = beside(path)
    if manifest is None:
        return Subject(path=path, format=format, precision=None, model=None, macs=None)
    precision = next((entry.precision for entry in manifest.artefacts if entry.path == path.name), None)
    return Subject(path=path, format=format, precision=precision, model=manifest.model.name, macs=manifest.model.macs)


def beside(path: Path) -> Manifest | None:
    """The manifest beside an artefact; None where there is none, or another program's file of that name."""
    try:
        return read_manifest(path.parent)
    except ArtefactError:
        return None


def artefact_entry(item: Subject) -> dict[str, Any]:
    """The "artefact" of a record."""
    return {
        "name": item.path.name,
        "format": item.format,
        "precision": item.precision,
        "model": item.model,
        "macs": item.macs,
        "bytes": size_bytes(item.path),
        "sha256": sha256(item.path),
    }


def latency_entry(latencies_ms: Sequence[float]) -> dict[str, Any]:
    """The "latency_ms" of a record."""
    return dataclasses.asdict(summarise(latencies_ms))


def record(
    item: Subject,
    measurement: Measurement,
    *,
    run: str,
    place: str,
    settings: Settings,
    operators: dict[str, Any],
    energy: dict[str, Any],
) -> dict[str, Any]:
    """The line of one artefact. Artefacts with the same `run` were interleaved: their blocks are pairs."""
    change, signs = throttling(measurement)
    after = measurement.after
    return {
        "schema": SCHEMA,
        "tool": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run,
        "place": place,
        "artefact": artefact_entry(item),
        "runtime": measurement.loaded["runtime"],
        "settings": dataclasses.asdict(settings),
        "load_ms": measurement.loaded["load_ms"],
        "first_run_ms": measurement.loaded["first_run_ms"],
        "warm_up_runs": len(measurement.warm_up_ms),
        "steady": measurement.steady,
        "precise": measurement.precise,
        "latency_ms": latency_entry(measurement.latencies_ms),
        "throttling": {"detected": bool(signs), "slowdown": dataclasses.asdict(change), "signs": signs},
        "memory": {
            "peak_bytes": after.get("peak_memory_bytes"),
            "before_load_bytes": measurement.loaded.get("memory_before_bytes"),
        },
        **({"metrickit": measurement.metrickit} if measurement.metrickit else {}),
        "device": {"before": measurement.before, "after": after},
        "operators": operators,
        "energy": energy,
        "blocks_ms": [round(value, 6) for value in measurement.blocks_ms],
        "latencies_ms": measurement.latencies_ms,
    }


def ratios(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The paired ratio of every artefact's latency to the first one's, from the blocks of an interleaved run."""
    first = records[0]
    return [
        {
            "artefact": other["artefact"]["name"],
            "to": first["artefact"]["name"],
            **dataclasses.asdict(ratio(other["blocks_ms"], first["blocks_ms"])),
        }
        for other in records[1:]
        if len(other["blocks_ms"]) == len(first["blocks_ms"])
    ]
