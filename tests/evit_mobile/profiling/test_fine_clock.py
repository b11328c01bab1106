"""The clock that the profiled child process sees: a thousand times faster while it is asked to be, and real otherwise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from evit_mobile.profiling import fine_clock, operator_worker
from evit_mobile.profiling.operator_worker import CLOCK_VARIABLE

CHILD = f"""
import ctypes, json, os, time
library = ctypes.CDLL(os.environ["{CLOCK_VARIABLE}"])
before = time.monotonic_ns()
library.fine_clock_set(1)
fine = time.monotonic_ns()
wall = time.time_ns()
library.fine_clock_set(0)
print(json.dumps([before, fine, time.monotonic_ns(), wall, time.time_ns()]))
"""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
def test_only_the_monotonic_clock_is_faster_and_only_while_asked() -> None:
    with fine_clock.fine_clock() as environment:
        done = subprocess.run(
            [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
        )
    before, fine, after, wall, wall_after = json.loads(done.stdout)
    assert before <= fine / 1000 <= after
    assert wall <= wall_after < wall + 60e9


def test_without_a_compiler_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_clock.shutil, "which", lambda _name: None)
    with fine_clock.fine_clock() as environment:
        assert environment == dict(os.environ)


def test_a_compiler_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_clock.shutil, "which", lambda _name: "/bin/false")
    with fine_clock.fine_clock() as environment:
        assert CLOCK_VARIABLE not in environment


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
def test_a_library_that_the_system_did_not_let_in_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, but not preloaded: what it would count is no nanoseconds."""
    with fine_clock.fine_clock() as environment:
        monkeypatch.setenv(CLOCK_VARIABLE, environment[CLOCK_VARIABLE])
        assert operator_worker.fine_clock() is None
        monkeypatch.delenv(CLOCK_VARIABLE)
        assert operator_worker.fine_clock() is None
