"""The demo app's benchmark over a scripted adb: what `am` starts writes the report, or says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.files import sha256
from evit_mobile.errors import DeviceError
from evit_mobile.profiling.android_app import report_of_app
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile

FILES = "sdcard/Android/data/org.evitmobile.demo/files"


@pytest.fixture
def phone(fake: Path) -> Path:
    """The folder of the app's files; `am` is a script beside adb."""
    (fake / FILES).mkdir(parents=True)
    return fake / FILES


def app(phone: Path, script: str) -> None:
    """What `am start` does."""
    am = phone.parents[4] / "bin" / "am"
    am.write_text(f"#!/bin/sh\n{script}\n")
    am.chmod(0o755)


def test_the_app_measures_and_its_report_is_read(phone: Path, artefacts: dict[str, Path], tmp_path: Path) -> None:
    artefact = artefacts["tflite"]
    entry = {
        "name": artefact.name,
        "sha256": sha256(artefact),
        "runtime": "LiteRT",
        "compute_units": "CPU",
        "load_ms": 10.0,
        "first_run_ms": 3.0,
        "latencies_ms": [2.0 + 0.01 * (number % 7) for number in range(200)],
        "thermal_before": "nominal",
        "thermal_after": "nominal",
    }
    document = {"schema": 1, "device": {"model": "Pixel 9", "system": "Android 15"}, "artefacts": [entry]}
    (tmp_path / "written.json").write_text(json.dumps(document))
    (phone / "benchmark.json").write_text("an older report")
    app(
        phone,
        f'echo "$@" > {tmp_path}/asked; (sleep 0.5; cp {tmp_path}/written.json {phone}/benchmark.json) > /dev/null 2>&1 &',
    )
    (item,) = profile([artefact], place="android-app", settings=Settings(), out=tmp_path / "p.jsonl")["profiles"]
    assert item["latency_ms"]["p50"]["value"] == pytest.approx(2.03)
    assert (item["place"], item["runtime"]["name"]) == ("android-app", "LiteRT, CPU")
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("start -W -n org.evitmobile.demo/org.evitmobile.app.BenchmarkActivity")
    assert list(phone.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'Starting: Intent'; echo 'Error type 3'; echo 'Error: Activity class does not exist.'",
            "does not exist",
        ),
        ("echo 'accelerator TPU' > {phone}/benchmark.error.txt", "accelerator TPU"),
        ("true", "no report within 1 s"),
    ],
    ids=["not installed", "fails", "silent"],
)
def test_an_app_that_does_not_answer(script: str, message: str, phone: Path) -> None:
    app(phone, script.format(phone=phone))
    with pytest.raises(DeviceError, match=message), report_of_app("", timeout_s=1.0):
        pass
    assert list(phone.iterdir()) == []
