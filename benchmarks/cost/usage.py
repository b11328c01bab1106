"""What a process used, from start to end, as the system counts it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Processor time of a process and all it started and waited for, on all cores together. `peak_bytes` is the resident memory of the
    largest of them; None where no process of its own was measured.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int | None = None


class CommandError(Exception):
    """A command ended with another exit code than 0 or 1, the verdict of a failed validation."""


WAITING = """
import os, signal, sys, threading
process = os.spawnv(os.P_NOWAIT, sys.argv[3], sys.argv[3:])
ctrl_c = threading.Timer(float(sys.argv[2]), os.kill, (process, signal.SIGINT))
if float(sys.argv[2]):
    ctrl_c.start()
_, status, usage = os.wait4(process, 0)
ctrl_c.cancel()
with open(sys.argv[1], "w") as file:
    print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A process's peak counts that of the process that starts it (Linux, vfork): so a small one does."""


def used_by(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, *, interrupted_s: float = 0
) -> Usage:
    """Runs `command` in `folder`, its output added to `log`; `interrupted_s` as in `Task`. Raises CommandError."""
    with log.open("ab") as output, tempfile.TemporaryDirectory() as scratch:
        counted = Path(scratch, "counted")
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", WAITING, str(counted), str(interrupted_s), *command],
            env={**os.environ, **environment},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        wall_s = time.perf_counter() - started
        if done.returncode not in (0, 130 if interrupted_s else 1) or not counted.exists():
            raise CommandError(f"{' '.join(command[-6:])}: exit code {done.returncode}, see {log}")
        cpu_s, peak_bytes = counted.read_text().split()
    return Usage(cpu_s=float(cpu_s), wall_s=wall_s, peak_bytes=int(peak_bytes))
