"""Processes of an engine end with it, and with whatever they have started."""

from __future__ import annotations

import signal
import subprocess

import pytest

from evit_mobile.engines.children import Children, EndedError, kill


def sleeping(*, starts_another: bool = False) -> subprocess.Popen[bytes]:
    """A process group that lasts for a minute, and says when all of it is there; its output ends with the last of its processes."""
    script = "sleep 60 & echo there; wait" if starts_another else "echo there; exec sleep 60"
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    return process


def test_leaving_the_block_ends_the_process_and_what_it_started() -> None:
    process = sleeping(starts_another=True)
    with Children().watched(process):
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL
    assert process.stdout is not None
    assert process.stdout.read() == b""  # which also waits for the one that it started


def test_so_does_an_error_in_the_block() -> None:
    process = sleeping()
    with pytest.raises(KeyboardInterrupt), Children().watched(process):
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGKILL


def test_the_end_reaches_all_that_run_and_is_noticed() -> None:
    children, processes = Children(), [sleeping(), sleeping()]
    children.check()
    with children.watched(processes[0]), children.watched(processes[1]):
        children.end()
        assert [process.wait(30) for process in processes] == [-signal.SIGKILL] * 2
    with pytest.raises(EndedError):
        children.check()


def test_one_that_is_started_after_the_end_is_ended_too() -> None:
    children, process = Children(), sleeping()
    children.end()
    with children.watched(process):
        assert process.wait(30) == -signal.SIGKILL


def test_one_that_has_ended_keeps_its_exit_code() -> None:
    process = subprocess.Popen(["sh", "-c", "exit 7"], start_new_session=True)
    with Children().watched(process):
        process.wait()
    kill(process)
    assert process.returncode == 7


def test_one_that_has_left_is_not_killed_later() -> None:
    """Its number may be another process's by then."""
    children, process = Children(), sleeping()
    with children.watched(process):
        pass
    process.returncode = None  # as if nobody had waited for it: `kill` would then send a signal to that number
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.killpg", lambda *_: pytest.fail("killed"))
        children.end()
    process.returncode = -signal.SIGKILL
