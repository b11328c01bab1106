"""Reports of the demo apps, as they write them: good ones, damaged ones, and ones of other artefacts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from converters.errors import ArtefactError
from converters.files import sha256
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.report.profiles import profile_tables, reference_lines, remarks


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "m0.int8.mlpackage"
    path.mkdir()
    (path / "Manifest.json").write_text("{}")
    return path


def report(package: Path, **changes: Any) -> dict[str, Any]:
    latencies = (0.8 * np.exp(0.02 * np.random.default_rng(0).standard_normal(400))).tolist()
    entry = {
        "name": package.name,
        "sha256": sha256(package),
        "compute_units": "all",
        "load_ms": 120.0,
        "first_run_ms": 3.0,
        "latencies_ms": latencies,
        "thermal_before": "nominal",
        "thermal_after": "nominal",
        "peak_memory_bytes": 50_000_000,
    }
    return {"schema": 1, "device": {"model": "iPhone15,2", "system": "iOS 18.1"}, "artefacts": [entry | changes]}


def read(document: Any, package: Path, place: str = "ios-report") -> dict[str, Any]:
    path = package.parent / "report.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    out = package.parent / "profile.jsonl"
    (item,) = profile([package], place=f"{place}:{path}", settings=Settings(), out=out)["profiles"]
    return item


def test_a_report_becomes_a_profile(package: Path) -> None:
    item = read(report(package), package)
    assert item["latency_ms"]["p50"]["value"] == pytest.approx(0.8, rel=0.01)
    assert item["latency_ms"]["runs"] == 400
    assert item["runtime"] == {"name": "Core ML, all", "version": "iOS 18.1"}
    assert item["memory"]["peak_bytes"] == 50_000_000
    assert item["precise"]
    assert not item["throttling"]["detected"]
    assert "iPhone15,2" in item["device"]["after"]["system"]
    assert "unavailable" in item["energy"]


@pytest.mark.parametrize("place", ["android-report", "web-report"])
def test_other_apps_name_their_runtime_and_may_not_know_their_temperature(place: str, package: Path) -> None:
    changes = {"runtime": "LiteRT.js 2.5.3", "compute_units": "CPU", "thermal_before": None, "thermal_after": None}
    item = read(report(package, **changes), package, place)
    assert item["runtime"]["name"] == "LiteRT.js 2.5.3, CPU"
    assert item["place"].startswith(f"{place}:")
    assert not item["throttling"]["detected"]


def test_a_phone_that_got_hot_is_reported(package: Path) -> None:
    signs = read(report(package, thermal_after="serious"), package)["throttling"]["signs"]
    assert signs == ["thermal state went from nominal to serious"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latencies_ms": [1.0] * 5}, "5 latencies"),
        ({"latencies_ms": [-1.0] * 400}, "positive"),
        ({"thermal_after": "boiling"}, "boiling"),
        ({"load_ms": None}, "TypeError"),
        ({"sha256": "0" * 64}, "not in"),
    ],
)
def test_reports_that_cannot_be_used(changes: dict[str, Any], message: str, package: Path) -> None:
    with pytest.raises(ArtefactError, match=message):
        read(report(package, **changes), package)


@pytest.mark.parametrize("document", ["{", "[]", {"schema": 2}, {"schema": 1}])
def test_what_is_no_report(document: Any, package: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot be read"):
        read(document, package)


def rail(time_ms: int, uws: int) -> dict[str, Any]:
    return {"time_ms": time_ms, "rails_uws": {"S1": uws // 4, "S2": uws - uws // 4}}


def power(idle_w: float = 1.0, busy_w: float = 3.0) -> dict[str, Any]:
    """Five idle seconds and five busy ones of 100 inferences each, in turn."""
    intervals, uws = [], 0
    for second in range(10):
        spent = round(1e6 * (busy_w if second % 2 else idle_w))
        before, after = rail(1000 * second, uws), rail(1000 * second + 1000, uws + spent)
        intervals.append({"inferences": 100 * (second % 2), "before": before, "after": after})
        uws += spent
    return {"source": "power monitors", "intervals": intervals}


def test_power_rails_become_energy_per_inference(package: Path) -> None:
    energy = read(report(package, energy=power()), package, "android-report")["energy"]
    assert energy["mj_per_inference"]["value"] == pytest.approx(20.0)
    assert energy["mj_per_inference_with_idle"]["value"] == pytest.approx(30.0)
    assert energy["inferences"] == 500


def test_energy_that_cannot_be_told(package: Path) -> None:
    without = read(report(package, energy={"unavailable": "Android 14"}), package, "android-report")
    assert without["energy"] == {"unavailable": "Android 14"}
    fallen = power()
    fallen["intervals"][3]["after"]["rails_uws"]["S1"] = 0
    assert "S1 fell" in read(report(package, energy=fallen), package, "android-report")["energy"]["unavailable"]
    with pytest.raises(ArtefactError, match="KeyError"):
        read(report(package, energy={"source": "x"}), package, "android-report")


PAYLOAD = {
    "timeStampBegin": "2026-11-22 23:00:00 +0000",
    "timeStampEnd": "2026-11-23 22:59:59 +0000",
    "metaData": {"deviceType": "iPhone15,2", "osVersion": "iPhone OS 18.1 (22B83)"},
    "memoryMetrics": {"peakMemoryUsage": "200,000 kB"},
    "signpostMetrics": [
        {
            "signpostCategory": "benchmark",
            "signpostName": "inference",
            "totalSignpostCount": 140,
            "signpostIntervalData": {
                "histogrammedSignpostDurations": {
                    "histogramNumBuckets": 3,
                    "histogramValue": {
                        "0": {"bucketCount": 50, "bucketStart": "0 ms", "bucketEnd": "1 ms"},
                        "1": {"bucketCount": 60, "bucketStart": "1 ms", "bucketEnd": "4 ms"},
                        "2": {"bucketCount": 30, "bucketStart": "4 ms", "bucketEnd": "1,000 ms"},
                    },
                }
            },
        },
        {"signpostCategory": "benchmark", "signpostName": "event", "totalSignpostCount": 3},
    ],
}
"""The form of MXMetricPayload's jsonRepresentation()."""


def test_metrickit_payloads_come_along(package: Path) -> None:
    item = read(report(package) | {"metrickit": [PAYLOAD, {}]}, package)
    first, empty = item["metrickit"]
    assert first["peak_memory_bytes"] == 200_000_000
    assert [(post["name"], post["count"], post["median_at_most_ms"]) for post in first["signposts"]] == [
        ("inference", 140, 4.0),
        ("event", 3, None),
    ]
    assert (empty["signposts"], empty["peak_memory_bytes"]) == ([], None)
    assert any("140 x inference, half of them within 4 ms" in line for line in remarks([item]))
    with pytest.raises(ArtefactError, match="not in kB"):
        read(report(package) | {"metrickit": [{"memoryMetrics": {"peakMemoryUsage": "1 MB"}}]}, package)


def test_the_requests_watts_and_the_models_macs_are_for_reference_only(package: Path) -> None:
    item = read(report(package), package)
    assert reference_lines([item]) == []
    item["artefact"] |= {"model": "efficientvit_m0", "macs": 79_000_000}
    (line,) = reference_lines([item])
    assert "not measured here: the 2.6 W" in line
    assert "79 M multiply-accumulates per inference of efficientvit_m0" in line


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
