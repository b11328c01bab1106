"""compare and profile.jsonl: pairs, verdicts, and files that cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import ArtefactError
from evit_mobile.profiling.comparison import compare
from evit_mobile.profiling.records import latency_entry
from evit_mobile.profiling.stored import append


def written(name: str, run: str, factor: float, seed: int, drift: Any = 1.0) -> dict[str, Any]:
    """The parts of a record that compare reads: 40 blocks of 10 runs of `factor` ms, times what the machine does."""
    blocks = factor * drift * (1 + 0.01 * np.random.default_rng(seed).standard_normal((40, 10)).T)
    latencies = blocks.T.reshape(-1)
    return {
        "schema": 1,
        "run": run,
        "time": "2026-01-01T00:00:00+00:00",
        "place": "host",
        "artefact": {"name": name, "sha256": "0"},
        "runtime": {"name": "LiteRT", "version": "1"},
        "settings": {"threads": 1},
        "device": {"after": {"cpu": "x"}},
        "throttling": {"signs": []},
        "energy": {"unavailable": "no"},
        "latency_ms": latency_entry(latencies),
        "latencies_ms": list(latencies),
        "blocks_ms": list(np.median(blocks, axis=0)),
    }


def test_artefacts_of_one_run_are_paired(tmp_path: Path) -> None:
    """The machine slows down by half during the run; the pairs still know the ratio."""
    drift = np.linspace(1, 1.5, 40)
    for name, factor, seed in (("a.tflite", 1.0, 0), ("b.pte", 1.05, 1)):
        (tmp_path / name).touch()
        append(tmp_path / "profile.jsonl", [written(name, "r", factor, seed, drift)])
    (item,) = compare(tmp_path / "a.tflite", tmp_path / "b.pte")["comparisons"]
    assert item["paired"]
    assert item["verdict"] == "slower"
    assert item["ratio"]["low"] < 1.05 < item["ratio"]["high"] < 1.07


def test_artefacts_of_two_runs_are_not_paired(tmp_path: Path) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    append(old, [written("a.tflite", "1", 9.0, 0), written("a.tflite", "2", 1.0, 1), written("b.pte", "2", 1.0, 2)])
    append(new, [written("a.tflite", "3", 0.9, 3), written("b.pte", "3", 1.0, 4), written("c.pte", "3", 1.0, 5)])
    first, second = compare(old, new)["comparisons"]
    assert (first["paired"], first["verdict"], second["verdict"]) == (False, "faster", "no difference seen")
    assert first["ratio"]["value"] == pytest.approx(0.9, abs=0.01)


def test_what_differs_is_said(tmp_path: Path) -> None:
    other = written("a.tflite", "2", 1.0, 1)
    other |= {"place": "ssh:pi", "settings": {"threads": 4}, "device": {"after": {"cpu": "y"}}}
    other["runtime"] = {"name": "LiteRT", "version": "2"}
    append(tmp_path / "1.jsonl", [written("a.tflite", "1", 1.0, 0)])
    append(tmp_path / "2.jsonl", [other])
    (item,) = compare(tmp_path / "1.jsonl", tmp_path / "2.jsonl")["comparisons"]
    assert [line.split(":")[0] for line in item["cautions"]] == [
        "different places",
        "different runtimes",
        "different threads",
        "different processors",
    ]


def test_what_was_not_profiled_is_refused(tmp_path: Path) -> None:
    append(tmp_path / "profile.jsonl", [written("a.tflite", "1", 1.0, 0)])
    append(tmp_path / "other.jsonl", [written("z.tflite", "1", 1.0, 0)])
    with pytest.raises(ArtefactError, match=r"evit-mobile profile .*b\.tflite"):
        compare(tmp_path / "a.tflite", tmp_path / "b.tflite")
    with pytest.raises(ArtefactError, match="no artefact in common"):
        compare(tmp_path / "profile.jsonl", tmp_path / "other.jsonl")
