"""Measures on a board that ssh reaches and that has the Python runtimes: copies artefacts and the stand-alone worker there."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from converters.errors import ToolchainError
from evit_mobile.errors import DeviceError, UsageError
from evit_mobile.profiling.channel import WORKER, Worker
from evit_mobile.profiling.host import session_file
from evit_mobile.profiling.measured import Asked, Measured, in_sessions
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.records import Subject
from evit_mobile.profiling.remote import file_name, remote_folder, send_checked
from evit_mobile.progress import Report

OPTIONS = (
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=5",
    "-o",
    "ServerAliveCountMax=3",
)
"""Never asks for a password; notices within 15 s that the other end is gone."""

COMMAND_TIMEOUT_S = 120.0
DESTINATION = re.compile(r"(\w[\w.-]*@)?\w[\w.:-]*")
PARENT = "${TMPDIR:-/tmp}"


class SshRemote:
    """A machine behind ssh. `python` is the interpreter there that has the runtimes."""

    def __init__(self, destination: str, python: str = "python3") -> None:
        if not DESTINATION.fullmatch(destination):
            raise UsageError(
                got=f"--on ssh:{destination}", allowed="ssh:HOST or ssh:USER@HOST", do="name the machine as for ssh"
            )
        self.name = f"ssh:{destination}"
        self.python = python
        self._destination = destination

    def command(self, remote_command: str) -> list[str]:
        """The local command that runs `remote_command` there."""
        return ["ssh", *OPTIONS, self._destination, remote_command]

    def shell(self, command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """What a command prints there. Raises DeviceError, ToolchainError without ssh."""
        return self._run(command, None, timeout_s)

    def send(self, source: Path, target: str) -> None:
        """Copies a file. Raises DeviceError."""
        self._run(f"cat > {target}", source, COMMAND_TIMEOUT_S)

    def _run(self, command: str, source: Path | None, timeout_s: float) -> str:
        with contextlib.ExitStack() as stack:
            stdin = subprocess.DEVNULL if source is None else stack.enter_context(source.open("rb"))
            try:
                done = subprocess.run(
                    self.command(command),
                    stdin=stdin,
                    capture_output=True,
                    timeout=timeout_s,
                    check=False,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise ToolchainError(got="no `ssh`", allowed="OpenSSH's client", do="install it") from None
            except subprocess.TimeoutExpired:
                raise self._failure(f"no answer within {timeout_s:.0f} s") from None
        if done.returncode:
            raise self._failure(done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}")
        return done.stdout.decode(errors="replace")

    def _failure(self, what: str) -> DeviceError:
        return DeviceError(
            got=f"{self.name}: {what}",
            allowed="a machine that ssh reaches without a password, with free space",
            do=f"try `ssh -o BatchMode=yes {self._destination} true`",
        )


def measured(destination: str, subjects: Sequence[Subject], asked: Asked, report: Report) -> list[Measured]:
    """Latency of each. Raises UsageError, DeviceError."""
    report(f"preparing ssh:{destination}")
    with open_workers(SshRemote(destination, asked.python), subjects, asked.settings) as workers:
        return in_sessions(workers, asked, report, None)


@contextlib.contextmanager
def open_workers(remote: SshRemote, subjects: Sequence[Subject], settings: Settings) -> Iterator[list[Worker]]:
    """A worker there per artefact. Everything there is removed and ended with the context."""
    sessions = {item.format: session_file(item) for item in subjects}
    with remote_folder(remote, PARENT) as folder, contextlib.ExitStack() as stack:
        send_checked(remote, WORKER, f"{folder}/worker.py")
        for format, session in sessions.items():
            send_checked(remote, session, f"{folder}/session_{format}.py")
        workers = []
        for position, item in enumerate(subjects):
            target = f"{folder}/{file_name(item.path, position)}"
            send_checked(remote, item.path, target)
            command = f"TMPDIR={folder} {remote.python} {folder}/worker.py {folder}/session_{item.format}.py {target} {settings.threads}"
            worker = Worker(remote.command(command), f"{item.path.name} on {remote.name}")
            stack.callback(worker.close)
            workers.append(worker)
        yield workers
