"""What the process of a job answers: one last line, whatever the job prints, and an exit code that errors stand for."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys

import pytest

from calib.errors import DataError
from converters.errors import ToolchainError
from evit_mobile.engines.child import failure, is_full_disk, peak_bytes
from evit_mobile.engines.process import environment
from evit_mobile.errors import UsageError

WHAT = {"got": "a", "allowed": "b", "do": "c"}


def started(function: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "evit_mobile.engines.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    assert process.stdin is not None
    job = {"function": f"tests.evit_mobile.engines.fakes:{function}", "payload": {"value": 4}}
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    return process


def spoken(process: subprocess.Popen[bytes]) -> list[dict[str, object]]:
    """Its lines, until it ends by itself."""
    assert process.stdout is not None
    return [json.loads(line) for line in process.stdout]


def test_progress_comes_first_and_the_result_last_in_strict_json() -> None:
    process = started("doubled")
    progress, last = spoken(process)
    assert progress == {"progress": "half way"}
    assert last["result"] == {"value": 8, "threads": 1, "nan": None, "pair": [1, 2]}
    assert int(str(last["peak_bytes"])) > 10**6
    assert process.wait() == 0  # before its stdin ends, which would end it
    _, said = process.communicate()
    assert b"to nobody" in said
    assert b"nor this" in said


@pytest.mark.parametrize(("function", "reason"), [("failing", "ValueError: planted"), ("missing", "AttributeError: ")])
def test_an_error_is_an_answer_with_its_traceback_in_the_log(function: str, reason: str) -> None:
    process = started(function)
    (last,) = spoken(process)
    failed = last["failure"]
    assert isinstance(failed, dict)
    assert str(failed["reason"]).startswith(reason)
    assert (failed["exit_code"], failed["full_disk"]) == (3, False)
    assert b"Traceback" in process.communicate()[1]


def test_it_ends_when_nobody_waits_for_it() -> None:
    process = started("waiting")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"progress": str(process.pid)}
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (UsageError(**WHAT), "got a; allowed: b; c", 2),
        (DataError(**WHAT), "got a; allowed: b; c", 2),
        (ToolchainError(**WHAT), "got a; allowed: b; c", 3),
        (FileNotFoundError(2, "No such file", "x"), "FileNotFoundError: [Errno 2] No such file: 'x'", 2),
        (ValueError("planted"), "ValueError: planted", 3),
        (MemoryError(), "MemoryError: ", 3),
    ],
)
def test_what_an_error_stands_for(error: Exception, reason: str, code: int) -> None:
    assert failure(error) == {"reason": reason, "exit_code": code, "full_disk": False}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_found_behind_other_errors(number: int) -> None:
    full, named, unnamed = OSError(number, "no room"), RuntimeError("cause"), RuntimeError("context")
    named.__cause__ = full
    unnamed.__context__ = named
    assert all(map(is_full_disk, (full, named, unnamed)))
    assert failure(unnamed)["full_disk"]
    assert not is_full_disk(OSError(errno.EACCES, "forbidden"))
    assert not is_full_disk(None)


def test_memory_is_counted_in_bytes() -> None:
    """An interpreter takes megabytes, which would be thousands in the system's own unit."""
    assert 10**6 < peak_bytes() < 10**12
