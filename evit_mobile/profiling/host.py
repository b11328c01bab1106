"""Measures on this machine: one child process per artefact."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import converters
from evit_mobile.errors import UsageError
from evit_mobile.profiling.channel import WORKER, Worker
from evit_mobile.profiling.energy.measure import host_sources
from evit_mobile.profiling.estimates import EstimatedOperation, estimated_operators
from evit_mobile.profiling.fine_clock import fine_clock
from evit_mobile.profiling.measured import Asked, Measured, in_sessions
from evit_mobile.profiling.operators import operator_table
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.records import Subject
from evit_mobile.profiling.stored import unavailable
from evit_mobile.progress import Report

CONVERTERS = Path(converters.__file__).parent
PYTHON = (sys.executable, "-P")
"""Without the script's folder on the path, where our modules would hide those of the standard library."""

OPERATOR_WORKER = Path(__file__).with_name("operator_worker.py")
OPERATOR_RUNS = 200
OPERATOR_TIMEOUT_S = 300


def session_file(item: Subject) -> Path:
    """The stand-alone module that runs an artefact. Raises UsageError for one that no runtime of Python packages runs."""
    session = CONVERTERS / item.format / "session.py"
    if not session.exists():
        timed = sorted(found.parent.name for found in CONVERTERS.glob("*/session.py"))
        raise UsageError(
            got=f"{item.path.name} ({item.format}), which nothing here times",
            allowed=f"files whose runtime is a Python package, of {', '.join(timed)}",
            do="have a device measure it (--on ios-report:FILE, android-report:FILE or adb), or leave it out",
        )
    return session


@contextlib.contextmanager
def open_workers(subjects: Sequence[Subject], settings: Settings) -> Iterator[list[Worker]]:
    """A worker per artefact; all end with the context."""
    with contextlib.ExitStack() as stack:
        workers = []
        for item, session in [(item, session_file(item)) for item in subjects]:
            command = [*PYTHON, WORKER, session, item.path, settings.threads]
            worker = Worker([str(part) for part in command], f"{item.path.name} on this machine")
            stack.callback(worker.close)
            workers.append(worker)
        yield workers


def measured(_: str, subjects: Sequence[Subject], asked: Asked, report: Report) -> list[Measured]:
    """Latency, energy and operators of each. Raises UsageError, DeviceError."""
    report("preparing host")
    with open_workers(subjects, asked.settings) as workers:
        found = in_sessions(workers, asked, report, lambda _: host_sources(force=asked.force_energy))
    timed = []
    for item, one in zip(subjects, found, strict=True):
        report(f"timing the operators of {item.path.name}")
        timed.append(replace(one, operators=operators(item, asked.settings, one.median_ms)))
    return timed


def operators(item: Subject, settings: Settings, median_ms: float) -> dict[str, Any]:
    """Times per operator, where the runtime tells, else `unavailable` and why. Where it has a plan only, they are estimates: shares of
    `median_ms`.
    """
    folder = CONVERTERS / item.format
    compute_plan = folder / "compute_plan.py"
    if compute_plan.exists():
        plan = answer([compute_plan, item.path], dict(os.environ))
        if "error" in plan:
            return unavailable(f"Core ML's compute plan cannot be read: {plan['error']}")
        return estimated_operators([EstimatedOperation(**entry) for entry in plan["operations"]], median_ms)
    with fine_clock() as environment:
        script = folder / "operator_profile.py"
        profile = answer([OPERATOR_WORKER, script, item.path, settings.threads, OPERATOR_RUNS], environment)
    if "error" in profile:
        return unavailable(f"the profiler failed: {profile['error']}")
    return operator_table(item, profile)


def answer(command: Sequence[object], environment: dict[str, str]) -> dict[str, Any]:
    """The JSON object that a stand-alone script of ours prints, or one with an `error`."""
    try:
        done = subprocess.run(
            [*PYTHON, *map(str, command)],
            capture_output=True,
            timeout=OPERATOR_TIMEOUT_S,
            check=False,
            env=environment,
        )
        document: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        return {"error": f"no answer ({error})"}
    return document
