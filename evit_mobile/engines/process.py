"""Running a job in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

from evit_mobile.engines.jobs import Job, Outcome, Surroundings

LOG_BYTES = 4000
"""Of the end of a log, which is what is kept."""
KILLED = -9


def in_child(job: Job, around: Surroundings) -> Outcome:
    """Runs `job` with one OpenMP thread, and tells its progress. A process that ends without an answer is an outcome as well.

    Raises EndedError when the engine ends it.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "evit_mobile.engines.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(),
            start_new_session=True,
        )
        with around.children.watched(process):
            answer = conversation(process, job, around)
            code = process.wait()
        around.children.check()
        return outcome(answer, code, time.perf_counter() - started, last_words(log))


def environment() -> dict[str, str]:
    """This process's own, with one OpenMP thread and the modules that are imported here."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def conversation(process: subprocess.Popen[bytes], job: Job, around: Surroundings) -> dict[str, Any]:
    """The process's last answer, {} without one."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer: dict[str, Any] = {}
    with contextlib.suppress(OSError):  # one that has ended cannot be written to
        process.stdin.write(json.dumps({"function": job.function, "payload": job.payload}).encode() + b"\n")
        process.stdin.flush()
    for line in process.stdout:
        with contextlib.suppress(ValueError):  # the half of a line is all that is left of one that was killed
            answer = json.loads(line)
        if "progress" in answer:
            around.report(f"{job.name}: {answer.pop('progress')}")
    with contextlib.suppress(OSError):
        process.stdin.close()
    return answer


def outcome(answer: dict[str, Any], code: int, seconds: float, log: str) -> Outcome:
    """What an answer, or none, says of the job."""
    peak = answer.get("peak_bytes", 0)
    if "result" in answer:
        return Outcome(result=answer["result"], seconds=seconds, peak_bytes=peak, log=log)
    if "failure" in answer:
        return Outcome(**answer["failure"], seconds=seconds, peak_bytes=peak, log=log)
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    memory = ", as the system does when memory runs out" if code == KILLED else ""
    return Outcome(reason=f"its process {how}{memory}", exit_code=3, seconds=seconds, log=log)


def last_words(log: IO[bytes]) -> str:
    """The end of a log."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - LOG_BYTES))
    return log.read().decode(errors="replace")
