"""Xcode's Core ML performance reports: good ones, damaged ones, and ones of other models."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from converters.errors import ArtefactError
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.profiling.xcode_report import is_xcode_report, preferred_device, report_file
from evit_mobile.report.profiles import profile_tables
from tests.evit_mobile.profiling.app_reports import read


def xcode_report(**changes: Any) -> dict[str, Any]:
    """In the form that public readers of .mlperf folders agree on: seconds, MLComputeUnits by number, an ML program."""

    def operation(name: str, kind: str, weight: float | None, device: str) -> dict[str, Any]:
        found: dict[str, Any] = {"operatorName": kind, "outputs": [{"name": name}]}
        preferred = {"deviceUsage": {"preferred": {"deviceType": {device: {}}}}, "cost": {"weight": weight}}
        return found | (preferred if weight is not None else {})

    block = {
        "operations": [
            operation("const_0", "const", None, ""),
            operation("stages__0__conv__conv2d", "ios18.conv", 0.6, "neuralEngine"),
            operation("head__linear", "ios18.linear", 0.2, "cpu"),
        ]
    }
    seconds = (0.8e-3 * np.exp(0.02 * np.random.default_rng(0).standard_normal(120))).tolist()
    results = {
        "predict": {"samples": seconds, "numOperations": 2},
        "load": {"samples": [0.02, 0.021, 0.022]},
        "modelStructure": {"program": {"_0": {"functions": {"main": {"block": block}}}}},
    }
    return {
        "modelMetadata": {"fileName": "m0.int8"},
        "deviceInfo": {"modelName": "iPhone 16", "osNameAndVersionWithoutBuildNumber": "iOS 26.3.1"},
        "computeUnit": 2,
        "deviceResults": results | changes,
    }


def test_an_xcode_report_becomes_a_profile(package: Path) -> None:
    folder = package.parent / "m0.int8-iPhone.mlperf"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(xcode_report()))
    document = profile([package], place=f"ios-report:{folder}", settings=Settings(), out=package.parent / "p.jsonl")
    (item,) = document["profiles"]
    assert item["latency_ms"]["p50"]["value"] == pytest.approx(0.8, rel=0.01)
    assert (item["latency_ms"]["runs"], item["load_ms"], item["first_run_ms"]) == (120, pytest.approx(21.0), None)
    assert item["runtime"] == {"name": "Core ML, all", "version": "iOS 26.3.1"}
    rows = item["operators"]["rows"]
    assert [(row["kind"], row["module"], row["delegated"]) for row in rows] == [
        ("conv", "stages.0.conv", True),
        ("linear", "head", False),
    ]
    assert rows[0]["ms"] == pytest.approx(0.75 * item["latency_ms"]["p50"]["value"])
    assert "not measured; operations preferred 1 on neuralEngine, 1 on cpu" in item["operators"]["source"]
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(profile_tables(document))
    text = console.export_text()
    assert "estimate of each operation" in text
    assert "outside operators" not in text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (xcode_report(predict={"samples": [1e-3] * 5}), "5 samples"),
        (xcode_report(predict={"samples": [0.0] * 50}), "positive"),
        (xcode_report() | {"modelMetadata": {"fileName": "other"}}, "a report of other"),
        (xcode_report() | {"computeUnit": 9}, "IndexError"),
        ({"deviceResults": {}}, "KeyError"),
    ],
)
def test_xcode_reports_that_cannot_be_used(document: dict[str, Any], message: str, package: Path) -> None:
    with pytest.raises(ArtefactError, match=message):
        read(document, package)


def test_an_xcode_report_without_a_structure_still_tells_latencies(package: Path) -> None:
    item = read(xcode_report(modelStructure={}, load=None), package)
    assert "Core ML estimates no operation" in item["operators"]["unavailable"]
    assert item["load_ms"] is None


@pytest.mark.parametrize(
    ("document", "known"),
    [({"deviceResults": {}}, True), ({"schema": 1}, False), ([], False), ("deviceResults", False)],
)
def test_such_a_report_is_told_by_its_results(document: Any, known: bool) -> None:
    assert is_xcode_report(document) == known


def test_a_report_is_a_folder_or_its_file(tmp_path: Path) -> None:
    assert report_file(tmp_path) == tmp_path / "report.json"
    assert report_file(tmp_path / "saved.json") == tmp_path / "saved.json"


def test_an_operation_without_a_preferred_device() -> None:
    assert preferred_device({"deviceUsage": {"preferred": {"deviceType": {"gpu": {}}}}}) == "gpu"
    assert preferred_device({"deviceUsage": {}}) == preferred_device({}) == "unknown"
