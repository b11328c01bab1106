"""profile: measures artefacts somewhere, and adds what was found to profile.jsonl."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from evit_mobile.errors import UsageError
from evit_mobile.profiling import adb, android_app, app_report, host, ssh
from evit_mobile.profiling.channel import Worker
from evit_mobile.profiling.energy.measure import android_sources, host_sources, measure_energy
from evit_mobile.profiling.protocol import Measurement, Session, Settings, measure
from evit_mobile.profiling.records import PROFILE_NAME, Subject, append, ratios, record, subject, unavailable
from evit_mobile.progress import Report, silent

PLACES = ", ".join(
    ["host, adb[:SERIAL], android-app[:SERIAL], ssh:USER@HOST", *(f"{name}:FILE" for name in app_report.PLACES)]
)


def profile(
    artefacts: Sequence[Path | str],
    *,
    place: str = "host",
    settings: Settings | None = None,
    python: str = "python3",
    runner: Path | None = None,
    out: Path | None = None,
    force_energy: bool = False,
    report: Report = silent,
) -> dict[str, Any]:
    """Measures the artefacts side by side and appends a record of each to `out`, or to profile.jsonl beside it.

    `place` is one of PLACES, `settings` say how long and how exactly. `python` is the interpreter to use on a machine behind ssh,
    `runner` the program to use on an Android device. `force_energy` takes the battery's current even while it charges.
    Returns {"profiles": [record], "ratios": [...]}.
    Raises ArtefactError, UsageError, DeviceError.
    """
    settings = settings or Settings()
    subjects = [subject(Path(path)) for path in artefacts]
    measured = measure_at(place, subjects, settings, python, runner, report, force=force_energy)
    run, records = uuid.uuid4().hex, []
    for item, (measurement, operators, energy) in zip(subjects, measured, strict=True):
        if place == "host":
            report(f"timing the operators of {item.path.name}")
            operators = host.operators(item, settings, float(np.median(measurement.latencies_ms)))
        records.append(
            record(item, measurement, run=run, place=place, settings=settings, operators=operators, energy=energy)
        )
    for item, entry in zip(subjects, records, strict=True):
        append(out or item.path.parent / PROFILE_NAME, [entry])
    return {"profiles": records, "ratios": ratios(records)}


def measure_at(
    place: str,
    subjects: Sequence[Subject],
    settings: Settings,
    python: str,
    runner: Path | None,
    report: Report,
    *,
    force: bool = False,
) -> list[tuple[Measurement, dict[str, Any], dict[str, Any]]]:
    """What was measured of each subject, its operators where the place tells them, and its energy.

    Raises UsageError, ArtefactError, DeviceError.
    """
    kind, _, name = place.partition(":")
    if kind in app_report.PLACES and name:
        return app_report.read_report(Path(name), subjects, settings)
    report(f"preparing {place}")
    if kind == android_app.PLACE:
        with android_app.report_of_app(name) as path:
            return app_report.read_report(path, subjects, settings)
    with open_sessions(place, subjects, settings, python, runner) as sessions:
        measurements = measure(sessions, settings, report)
        energies = [energy_of(*pair, report, force=force) for pair in zip(sessions, measurements, strict=True)]
    return [
        (measurement, app_report.NO_OPERATORS, energy)
        for measurement, energy in zip(measurements, energies, strict=True)
    ]


def energy_of(session: Session, measurement: Measurement, report: Report, *, force: bool) -> dict[str, Any]:
    """Energy of one session, where it can be read. Raises DeviceError."""
    if isinstance(session, adb.AdbSession):
        sources = android_sources(session.device.try_shell, session.device.pull, force=force)
    elif isinstance(session, Worker) and session.local:
        sources = host_sources(force=force)
    else:
        return unavailable("energy is not read behind ssh")
    report("measuring energy")
    return measure_energy(session, float(np.median(measurement.latencies_ms)), sources)


def open_sessions(
    place: str, subjects: Sequence[Subject], settings: Settings, python: str, runner: Path | None
) -> AbstractContextManager[Sequence[Session]]:
    """A session per artefact at a place. Raises UsageError for a place that there is not."""
    kind, _, name = place.partition(":")
    if place == "host":
        return host.open_workers(subjects, settings)
    if kind == "ssh" and name:
        return ssh.open_workers(ssh.SshRemote(name, python), subjects, settings)
    if kind == "adb":
        return adb.open_sessions(name, runner, subjects, settings)
    raise UsageError(got=f"--on {place}", allowed=PLACES, do="name one of these")
