"""What all places other than this machine share: a folder there that is always removed, and copies that are checked."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from converters.files import sha256
from evit_mobile.errors import DeviceError

FOLDER = re.compile(r"/[\w./-]+/evit-mobile\.\w+")
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


class Remote(Protocol):
    """A machine that runs shell commands and takes files."""

    name: str

    def shell(self, command: str, timeout_s: float = ...) -> str:
        """What a command prints. Raises DeviceError when it fails."""
        ...

    def send(self, source: Path, target: str) -> None:
        """Copies a file. Raises DeviceError."""
        ...


@contextlib.contextmanager
def remote_folder(remote: Remote, parent: str) -> Iterator[str]:
    """A new folder below `parent`. It is removed at the end, after errors and Ctrl-C too; if that fails, the error says what is left."""
    folder = remote.shell(f"mktemp -d {parent}/evit-mobile.XXXXXX").strip()
    if not FOLDER.fullmatch(folder):
        raise DeviceError(
            got=f"{remote.name}: mktemp answered {folder!r}",
            allowed="the name of a new folder",
            do=f"check {parent} there",
        )
    try:
        yield folder
    except BaseException as error:
        with uninterrupted():
            try:
                remove(remote, folder)
            except DeviceError as failure:
                raise left_behind(remote, folder, error) from failure
        raise
    with uninterrupted():
        remove(remote, folder)


def remove(remote: Remote, folder: str) -> None:
    """Removes a folder that `remote_folder` made, and whatever still runs from it."""
    remote.shell(f"rm -rf {folder}")


def left_behind(remote: Remote, folder: str, error: BaseException) -> DeviceError:
    """The error for a device that is gone before it could be cleaned up."""
    cause = f"{error.got}" if isinstance(error, DeviceError) else f"{type(error).__name__}: {error}"
    return DeviceError(
        got=f"{cause}; then {remote.name} no longer answered",
        allowed="a device that stays connected",
        do=f"connect it again, remove {folder} there, and repeat",
    )


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C off until the end, so that cleaning up is not cut short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if received:
            signal.raise_signal(signal.SIGINT)


def send_checked(remote: Remote, source: Path, target: str) -> None:
    """Copies a file and compares its SHA-256 at the other end. Raises DeviceError."""
    remote.send(source, target)
    found = DIGEST.search(remote.shell(f"sha256sum {target}"))
    if found is None or found.group() != sha256(source):
        raise DeviceError(
            got=f"{remote.name}: {source.name} arrived with SHA-256 {found.group() if found else 'unknown'}",
            allowed=sha256(source),
            do="check the connection and the free space there, and repeat",
        )


def file_name(path: Path, position: int) -> str:
    """A name for a copy that needs no quoting in a shell, different for files of the same name."""
    return f"{position}-" + re.sub(r"[^\w.-]", "_", path.name)
