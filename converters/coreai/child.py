"""Processes of our own in which Apple's code runs: a damaged asset may end the process that opens it, and writing the same bytes
twice needs memory at the same addresses.

A worker is a module of this folder, run as a program. It reads messages on its stdin and answers on its stdout (`serve`).
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from converters.processes import end, ended

LENGTH = struct.Struct("<Q")


class ChildError(Exception):
    """The child process refused, or ended; the message says what it left behind."""


class Child:
    """A worker in a process of its own, and messages to and from it."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"converters.coreai.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"},
        )
        self._finalizer = weakref.finalize(self, end, self._process)

    def ask(self, *contents: bytes) -> bytes:
        """Sends `contents`, a message each, and gives the answer. Raises ChildError."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            for content in contents:
                send(requests, content)
            answer = receive(answers)
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise ChildError(self._last_words())
        kind, answer = answer[:1], answer[1:]
        if kind == b"!":
            raise ChildError(answer.decode())
        return answer

    def close(self) -> None:
        self._finalizer()

    def _last_words(self) -> str:
        code = ended(self._process)
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        how = f"the process ended by signal {-code}" if code < 0 else f"the process ended with exit code {code}"
        return f"{how}: {lines[-1].strip()}" if lines else how


def send(stream: IO[bytes], content: bytes) -> None:
    stream.write(LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message, None where the other side has ended."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None


class Parent:
    """The other side, in the worker."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers

    def requests(self) -> Iterator[bytes]:
        """Messages until the parent ends."""
        while (content := receive(sys.stdin.buffer)) is not None:
            yield content

    def answer(self, content: bytes) -> None:
        send(self._answers, b"=" + content)

    def refuse(self, reason: str) -> None:
        send(self._answers, b"!" + reason.encode())


@contextmanager
def serving() -> Iterator[Parent]:
    """The parent of this worker. What libraries print goes to stderr; an error that is raised inside is told the parent."""
    own = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(own, "wb") as answers:
        parent = Parent(answers)
        try:
            yield parent
        except Exception as error:  # whatever Apple's code raises; the parent names it
            parent.refuse(f"{type(error).__name__}: {error}")


def to_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
