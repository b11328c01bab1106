"""A worker process (see worker.py) that is asked one question at a time, here or at the other end of an ssh connection."""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evit_mobile.errors import DeviceError

WORKER = Path(__file__).with_name("worker.py")
ANSWER_TIMEOUT_S = 300.0
END_TIMEOUT_S = 5.0
LOG_LINES = 3


class Worker:
    """Sends requests to a worker and reads its answers. `where` names the place in errors."""

    def __init__(self, command: Sequence[str], where: str) -> None:
        self._where = where
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        # In a session of its own, Ctrl-C does not reach it before we can clean up.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=0, start_new_session=True
        )
        self._pending = b""

    def ask(self, request: str, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """The answer to a request. Raises DeviceError when the worker fails, ends or does not answer in time."""
        assert self._process.stdin is not None
        # A worker that has ended cannot be written to; what it last said explains why.
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{request}\n".encode())
        answer = self._answer(time.monotonic() + timeout_s)
        if "error" in answer:
            raise self._failure(str(answer["error"]))
        return answer

    def _answer(self, deadline: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._failure("no answer in time")
                received = self._process.stdout.read(1 << 16)
                if not received:
                    raise self._failure(f"it ended ({describe_exit(self._process.wait(END_TIMEOUT_S))})")
                self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            raise self._failure(f"an answer that is not JSON: {line[:80]!r}") from None
        return answer

    def _failure(self, what: str) -> DeviceError:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        last = "; ".join(line.strip() for line in lines[-LOG_LINES:] if line.strip())
        return DeviceError(
            got=f"{self._where}: {what}" + (f" ({last})" if last else ""),
            allowed="a process that loads and runs the artefact to the end",
            do="check that the artefact runs there: evit-mobile validate",
        )

    def close(self) -> None:
        """Ends the worker and waits for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


def describe_exit(code: int) -> str:
    """An exit status in words."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
