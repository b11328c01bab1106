"""Has the Android demo on a connected device measure its own artefacts, and fetches its report."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from evit_mobile.errors import DeviceError
from evit_mobile.profiling.adb import Adb, find_device
from evit_mobile.profiling.app_report import read_report
from evit_mobile.profiling.measured import Asked, Measured
from evit_mobile.profiling.records import Subject
from evit_mobile.progress import Report

ACTIVITY = "org.evitmobile.demo/org.evitmobile.app.BenchmarkActivity"
FOLDER = "/sdcard/Android/data/org.evitmobile.demo/files"
REPORT, FAILURE = f"{FOLDER}/benchmark.json", f"{FOLDER}/benchmark.error.txt"
TIMEOUT_S = 1800.0
"""A minute, and with power monitors four more per artefact."""

POLL_S = 1.0


def measured(serial: str, subjects: Sequence[Subject], asked: Asked, report: Report) -> list[Measured]:
    """What the app on the device measured. Raises DeviceError, ArtefactError."""
    report(f"preparing android-app{serial and f':{serial}'}")
    with report_of_app(serial) as path:
        return read_report(path, subjects, asked.settings)


@contextlib.contextmanager
def report_of_app(serial: str, timeout_s: float = TIMEOUT_S) -> Iterator[Path]:
    """The report that the demo on the device with this serial (or on the only one) writes now. Raises DeviceError."""
    device = find_device(serial)
    device.shell(f"rm -f {REPORT} {FAILURE}")
    try:
        start(device)
        wait(device, timeout_s)
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "benchmark.json"
            device.pull(REPORT, local)
            yield local
    finally:
        with contextlib.suppress(DeviceError):
            device.shell(f"rm -f {REPORT} {FAILURE}")


def start(device: Adb) -> None:
    """Starts the activity. `am` succeeds even where there is no such app, and says so."""
    output = device.shell(f"am start -W -n {ACTIVITY} --es accelerator CPU --ez energy true 2>&1")
    if "Error" in output:
        raise failure(device, output.strip().splitlines()[-1])


def wait(device: Adb, timeout_s: float) -> None:
    """Until the report is there; the app writes it under another name first."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = device.try_shell(f"ls {FOLDER}").split()
        if Path(FAILURE).name in found:
            raise failure(device, device.shell(f"cat {FAILURE}").strip())
        if Path(REPORT).name in found:
            return
        time.sleep(POLL_S)
    raise failure(device, f"no report within {timeout_s:.0f} s")


def failure(device: Adb, what: str) -> DeviceError:
    return DeviceError(
        got=f"{device.name}: {what}",
        allowed="the Android demo, installed with the artefacts that are named, on an unlocked device",
        do="build and install it (android_demo/README.md), unlock the device, and repeat",
    )
