"""How processes end: with their exit code, and without a word about what they never read."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from converters.processes import end, ended

UNREAD = b"x" * 100
"""Stays in this side's buffer."""


def process(command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_one_that_ends_by_itself_gives_its_exit_code() -> None:
    assert ended(process("sleep 0.05; exit 7")) == 7


def test_one_that_runs_is_killed_and_one_that_ended_is_not() -> None:
    assert end(process("exec sleep 60")) == -signal.SIGKILL
    over = process("exit 7")
    over.wait()
    assert end(over) == 7


def test_what_one_has_started_is_not_waited_for() -> None:
    """It has the pipes of the one that was ended, and still runs afterwards."""
    starter = process("sleep 60 & echo $!; wait")
    assert starter.stdout is not None
    started = int(starter.stdout.readline())
    assert end(starter) == -signal.SIGKILL
    os.kill(started, signal.SIGKILL)  # raises ProcessLookupError where it is over


@pytest.mark.parametrize("how", [end, ended])
def test_what_it_never_read_is_dropped_without_a_word(how: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    over = process("exit 0")
    over.wait()
    assert over.stdin is not None
    over.stdin.write(UNREAD)
    assert how(over) == 0
    assert over.stdin.closed
    del over
    gc.collect()
    assert unraisable == []
