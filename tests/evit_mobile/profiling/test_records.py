"""A line of profile.jsonl: what it says of the artefact, the measurement and the pairs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError
from evit_mobile.profiling.protocol import Measurement, Settings
from evit_mobile.profiling.records import Subject, artefact_entry, latency_entry, ratios, record, subject
from evit_mobile.record.files import write_manifest
from evit_mobile.version import __version__
from tests.manifests import artefact, of_model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.fp16.tflite"
    path.write_bytes(b"four")
    return path


def test_a_subject_is_as_the_manifest_beside_it_says(file: Path) -> None:
    alone = Subject(path=file, format="tflite", precision=None, model=None, macs=None)
    assert subject(file) == alone
    write_manifest(of_model(artefact("other.tflite"), macs=7), file.parent)
    assert (subject(file).precision, subject(file).model, subject(file).macs) == (None, "tiny", 7)
    write_manifest(of_model(artefact(file.name, precision=Precision.FP16)), file.parent)
    assert subject(file).precision == "fp16"
    (file.parent / "manifest.json").write_text('{"manifest_version": 3, "name": "an extension of a browser"}')
    assert subject(file) == alone


def test_a_profile_names_the_target_that_wrote_the_file(tmp_path: Path) -> None:
    for name, format in (("a.pte", "executorch"), ("a.coreml.pte", "executorch-coreml"), ("a.tflite", "tflite")):
        (tmp_path / name).write_bytes(b"")
        assert subject(tmp_path / name).format == format


def test_what_is_missing_is_no_subject(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"none\.tflite, which does not exist"):
        subject(tmp_path / "none.tflite")


def test_the_artefact_is_told_by_its_bytes(file: Path) -> None:
    entry = artefact_entry(subject(file))
    assert (entry["name"], entry["format"], entry["bytes"]) == (file.name, "tflite", 4)
    assert entry["sha256"] == hashlib.sha256(b"four").hexdigest()


def written(file: Path, **changes: Any) -> dict[str, Any]:
    measurement = Measurement(
        loaded={"runtime": {"name": "r"}, "load_ms": 4.0, "first_run_ms": 3.0, "memory_before_bytes": 100},
        warm_up_ms=[9.0, 8.0],
        latencies_ms=[3.0, 2.0, 1.0],
        blocks_ms=[1.23456789],
        precise=True,
        before={"thermal_state": "nominal"},
        after={"thermal_state": "serious", "peak_memory_bytes": 300},
    )
    for name, value in changes.items():
        setattr(measurement, name, value)
    asked = Settings(threads=2)
    return record(subject(file), measurement, run="r1", place="host", settings=asked, operators={}, energy={"a": 1})


def test_a_record_says_what_was_measured(file: Path) -> None:
    found = written(file)
    assert (found["schema"], found["tool"], found["run"], found["place"]) == (1, __version__, "r1", "host")
    assert found["settings"] == {"threads": 2, "bound": 0.01, "budget_s": 20.0}
    assert (found["load_ms"], found["first_run_ms"], found["warm_up_runs"]) == (4.0, 3.0, 2)
    assert (found["steady"], found["precise"]) == (False, True)
    assert found["latency_ms"]["p50"]["value"] == 2.0
    assert found["memory"] == {"peak_bytes": 300, "before_load_bytes": 100}
    assert found["throttling"]["signs"] == ["thermal state went from nominal to serious"]
    assert found["throttling"]["detected"]
    assert found["blocks_ms"] == [1.234568]
    assert found["energy"] == {"a": 1}
    assert "metrickit" not in found


def test_days_of_metrickit_come_along_where_there_are_some(file: Path) -> None:
    assert written(file, metrickit=[{"begin": "1"}])["metrickit"] == [{"begin": "1"}]


def test_latencies_are_summarised_in_plain_numbers() -> None:
    found = latency_entry([4.0, 1.0, 1.0, 2.0])
    assert (found["runs"], found["minimum"], found["maximum"], found["mean"]) == (4, 1.0, 4.0, 2.0)
    assert found["p50"]["value"] == 1.5


def blocks(name: str, *blocks_ms: float) -> dict[str, Any]:
    return {"artefact": {"name": name}, "blocks_ms": list(blocks_ms)}


def test_ratios_are_those_of_pairs_to_the_first() -> None:
    """A machine that is ten times slower from one block to the next still knows that b takes three times as long."""
    first, second = blocks("a", 1.0, 10.0, 100.0, 1000.0), blocks("b", 3.0, 30.0, 300.0, 3000.0)
    (found,) = ratios([first, second, blocks("c", 1.0)])
    assert found == {"artefact": "b", "to": "a", "value": 3.0, "low": 3.0, "high": 3.0}
    assert ratios([first]) == []
