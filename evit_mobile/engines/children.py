"""The processes that an engine has started, and ending them all."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator


class EndedError(Exception):
    """The engine was ended while a job ran: what became of its process says nothing about the job."""


class Children:
    """Each is the first of a process group of its own, so that what it started ends with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    @contextlib.contextmanager
    def watched(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Ends `process` with the others, and whatever happens when the block is left."""
        with self._lock:
            self._running.add(process)
            if self._ended:
                kill(process)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)
            kill(process)
            process.wait()

    def check(self) -> None:
        """Raises EndedError when they were ended."""
        if self._ended:
            raise EndedError

    def end(self) -> None:
        """Kills all that run, and those that are started later."""
        with self._lock:
            self._ended = True
            for process in self._running:
                kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kills a process that has not been waited for, with its group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
