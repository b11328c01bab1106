"""Measures on this machine: one child process per artefact."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import converters
from evit_mobile.profiling.channel import WORKER, Worker
from evit_mobile.profiling.fine_clock import fine_clock
from evit_mobile.profiling.operators import operator_table
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.records import Subject, unavailable

CONVERTERS = Path(converters.__file__).parent
PYTHON = (sys.executable, "-P")
"""Without the script's folder on the path, where our modules would hide those of the standard library."""

OPERATOR_WORKER = Path(__file__).with_name("operator_worker.py")
OPERATOR_RUNS = 200
OPERATOR_TIMEOUT_S = 300
NO_OPERATORS = {"coreml": "Core ML's compute plan is not read yet"}


def session_file(format: str) -> Path:
    """The stand-alone module that runs artefacts of a format."""
    return CONVERTERS / format / "session.py"


@contextlib.contextmanager
def open_workers(subjects: Sequence[Subject], settings: Settings) -> Iterator[list[Worker]]:
    """A worker per artefact; all end with the context."""
    with contextlib.ExitStack() as stack:
        workers = []
        for item in subjects:
            command = [*PYTHON, WORKER, session_file(item.format), item.path, settings.threads]
            worker = Worker([str(part) for part in command], f"{item.path.name} on this machine")
            stack.callback(worker.close)
            workers.append(worker)
        yield workers


def operators(item: Subject, settings: Settings) -> dict[str, Any]:
    """Times per operator, where the runtime tells, else `unavailable` and why."""
    if item.format in NO_OPERATORS:
        return unavailable(NO_OPERATORS[item.format])
    script = CONVERTERS / item.format / "operator_profile.py"
    command = [*PYTHON, OPERATOR_WORKER, script, item.path, settings.threads, OPERATOR_RUNS]
    try:
        with fine_clock() as environment:
            done = subprocess.run(
                [str(part) for part in command],
                capture_output=True,
                timeout=OPERATOR_TIMEOUT_S,
                check=False,
                env=environment,
            )
        profile = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        return unavailable(f"the profiler gave no answer ({error})")
    if "error" in profile:
        return unavailable(f"the profiler failed: {profile['error']}")
    return operator_table(item, profile)
