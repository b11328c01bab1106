"""Generators in processes of their own, spawned afresh, that answer through a pipe and print into a log file."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

Server = Callable[..., Generator[Any, Any, None]]
"""A module-level generator function. What it yields is an answer; what its `yield` returns is the next request."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Read by OpenMP and BLAS libraries when they are loaded, so they are set before a process starts."""

SPAWN = multiprocessing.get_context("spawn")
LONGEST_MESSAGE = 300
GRACE_S = 5


class ChildError(Exception):
    """A child process failed, by an exception or a signal; the message says how, in one line."""


class Child:
    """A process that runs a Server. Its first answer comes without a request. `threads` limits OpenMP and BLAS."""

    def __init__(self, server: Server, *arguments: Any, threads: int, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(theirs, log, server, arguments), daemon=True)
        with environment(dict.fromkeys(THREAD_VARIABLES, str(threads))):
            self._process.start()
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: Any = None) -> Any:
        """The answer to `request`. Raises ChildError."""
        with contextlib.suppress(BrokenPipeError):  # receive() finds out why
            self._connection.send(request)
        return self.receive()

    def receive(self) -> Any:
        """The next answer. Raises ChildError."""
        try:
            failed, answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise ChildError(f"the process ended with exit code {self._process.exitcode}") from None
        if failed:
            raise ChildError(answer)
        return answer

    def close(self) -> None:
        """Ends the process: when its pipe closes it leaves by itself, unless it is busy."""
        self._connection.close()
        self._process.join(GRACE_S)
        self._process.terminate()
        self._process.join()


def answer(function: Callable[..., Any], *arguments: Any, log: Path) -> Any:
    """`function(*arguments)`, computed in a process of its own. Raises ChildError."""
    with Child(_call, function, arguments, threads=1, log=log) as child:
        return child.receive()


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Generator[Any, Any, None]:
    yield function(*arguments)


def _serve(connection: Connection, log: Path, server: Server, arguments: tuple[Any, ...]) -> None:
    """What the process runs. Nothing is answered after an exception."""
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    try:
        running = server(*arguments)
        reply = next(running)
        while True:
            connection.send((False, reply))
            reply = running.send(connection.recv())
    except (EOFError, StopIteration):
        return
    except BaseException as error:
        traceback.print_exc()
        connection.send((True, one_line(error)))


def one_line(error: BaseException) -> str:
    """An exception's type and message as one line of bounded length."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """The environment with `values` in it, as processes started meanwhile see it."""
    saved = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
