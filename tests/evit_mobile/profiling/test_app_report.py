"""Reports of the demo apps, as they write them: good ones, damaged ones, and ones of other artefacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.errors import ArtefactError
from evit_mobile.report.profiles import reference_lines, remarks
from tests.evit_mobile.profiling.app_reports import read, report


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
