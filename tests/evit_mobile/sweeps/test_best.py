"""What to ship: fronts, limits, and latencies that may be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.strict_json import read, to_json
from evit_mobile.sweeps.best import best
from evit_mobile.sweeps.records import CellRecord
from tests.evit_mobile.sweeps.fakes import summary


def record(name: str, **row: Any) -> CellRecord:
    """A finished cell of one file."""
    found = summary({"request": {"seed": 0}})
    found["rows"][0] |= {"sha256": name, **row}
    known = {
        "name": name,
        "digest": name,
        "version": "0",
        "precision": "int8",
        "format": "tflite",
        "request": {},
        "host": "here",
        "seconds": 1.0,
        "peak_bytes": 1,
    }
    return read(CellRecord, found | known)


def sweep_of(folder: Path, *records: CellRecord) -> Path:
    (folder / "done").mkdir(parents=True)
    for one in records:
        (folder / "done" / f"{one.name}.json").write_text(to_json(one))
    return folder


def profiled(folder: Path, run: str, **latencies: float) -> None:
    """Adds a run of `profile` in which these files took turns."""
    with (folder / "profile.jsonl").open("a") as file:
        for sha256, ms in latencies.items():
            line = {
                "run": run,
                "time": f"at {run}",
                "place": "host",
                "artefact": {"sha256": sha256},
                "latency_ms": {"p50": {"value": ms}},
                "device": {"after": {"cpu": "a processor"}},
                "settings": {"threads": 1},
                "throttling": {"signs": []},
            }
            file.write(json.dumps(line) + "\n")


def test_limits_choose_and_the_best_comes_first(tmp_path: Path) -> None:
    sweep = sweep_of(
        tmp_path,
        record("fast", top1=91.0, bytes=100),
        record("good", top1=92.9, bytes=200),
        record("bad", top1=92.95, verdict="failed"),
    )
    profiled(sweep, "1", fast=1.0, good=6.0)
    found = best(sweep)
    assert [one.cell for one in found.candidates] == ["bad", "good", "fast"]
    assert [one.cell for one in found.chosen] == ["good", "fast"]
    assert {one.cell: one.fronts for one in found.chosen} == {"good": ("latency", "size"), "fast": ("latency", "size")}
    assert [one.cell for one in best(sweep, max_ms=5).chosen] == ["fast"]
    assert [one.cell for one in best(sweep, max_drop=0.5).chosen] == ["good"]
    assert best(sweep, max_ms=5, max_drop=0.5).chosen == ()
    assert [one.cell for one in best(sweep, max_mb=0.00015).chosen] == ["fast"]


def test_latencies_of_different_runs_are_not_compared(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, record("a"), record("b"), record("c"))
    profiled(sweep, "first", a=1.0, b=2.0)
    profiled(sweep, "second", c=0.1)
    profiled(sweep, "foreign", z=0.1, y=0.2, x=0.3)
    found = best(sweep)
    assert {one.cell: one.latency_ms for one in found.candidates} == {"a": 1.0, "b": 2.0, "c": None}
    assert found.measured == "in turns on host, a processor, 1 thread(s), at first"
    assert "1 files were measured in other runs" in found.notes[0]
    assert [one.cell for one in best(sweep, max_ms=5).chosen] == ["a", "b"]


def test_without_labels_agreement_orders_and_says_so(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"top1": None, "top1_reference": None}
    found = best(
        sweep_of(tmp_path, record("a", agreement=0.99, **rows), record("b", agreement=0.999, **rows)), max_drop=0.5
    )
    assert found.gain == "agreement"
    assert [one.cell for one in found.chosen] == ["b"]
    assert any("says nothing about one model against another" in note for note in found.notes)


def test_what_cannot_be_answered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="without a finished cell"):
        best(tmp_path / "nothing")
    sweep = sweep_of(tmp_path / "sweep", record("a"))
    with pytest.raises(UsageError, match="not measured in turns"):
        best(sweep, max_ms=5)
    with pytest.raises(UsageError, match="xnnpack"):
        best(sweep, judge="gpu")
    with pytest.raises(UsageError, match="--max-mb"):
        best(sweep, max_mb=-1)
