"""Where a sweep lies: a folder, or anything that fsspec opens by URL. Nothing half-written is there under a name that is read.

In a folder a file or a cell gets its name by being renamed; an object of an object store is there when all of it has arrived. A cell
counts only once its record is there, which is written after all of its files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.errors import ToolchainError
from converters.files import write_bytes
from evit_mobile.errors import UsageError
from evit_mobile.sweeps.patience import patiently

PACKAGES = {"s3": "'evit-mobile[s3]'", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
PARTIAL = ".partial"
AT_ONCE = 100
"""Records read from an object store side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """`root` is a path of `fs`; names are relative to it. OSErrors that may pass are waited for, others are raised."""

    url: str
    fs: Any
    root: str

    @property
    def is_folder(self) -> bool:
        return "file" in ([self.fs.protocol] if isinstance(self.fs.protocol, str) else self.fs.protocol)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def names(self, folder: str) -> list[str]:
        """What lies directly in `folder`, without its suffix; nothing where there is no such folder."""

        def listed() -> list[str]:
            try:
                return list(self.fs.ls(self.path(folder), detail=False, refresh=True))
            except FileNotFoundError:
                return []

        found = (Path(path).name for path in patiently(listed))
        return sorted(name.removesuffix(".json") for name in found if not name.startswith("."))

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        content: bytes = patiently(lambda: self.fs.cat_file(self.path(name)))
        return content

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """The files called `names` that are there, in their order."""
        for start in range(0, len(names), AT_ONCE):
            paths = [self.path(name) for name in names[start : start + AT_ONCE]]
            found: dict[str, bytes | None] = {}
            patiently(lambda paths=paths, found=found: fetch(self.fs, paths, found))  # type: ignore[misc]  # bound at once
            yield from (content for content in map(found.__getitem__, paths) if content is not None)

    def exists(self, name: str) -> bool:
        found: bool = patiently(lambda: self.fs.exists(self.path(name)))
        return found

    def write(self, name: str, content: bytes) -> None:
        """Writes a file whole, or not at all."""
        if self.is_folder:
            patiently(lambda: write_bytes(Path(self.path(name)), content))
        else:
            patiently(lambda: self.fs.pipe_file(self.path(name), content))

    def create(self, name: str, content: bytes) -> bool:
        """As `write`; False where there is such a file already. Of several who try at once, one has it.

        That is kept by folders, and by object stores that know conditional writes (S3's If-None-Match).
        """
        if self.is_folder:
            return patiently(lambda: linked(Path(self.path(name)), content))
        with contextlib.suppress(FileExistsError):
            patiently(lambda: self.fs.pipe_file(self.path(name), content, mode="create"))
            return True
        return False

    def remove(self, name: str) -> None:
        """Removes a file or a folder that may be there."""
        with contextlib.suppress(FileNotFoundError):
            patiently(lambda: self.fs.rm(self.path(name), recursive=True))

    def check_driver(self, owner: str) -> None:
        """Raises UsageError where the driver's own file is not seen: the folder of that path is another one on this machine."""
        if self.exists(f"drivers/{owner}.json"):
            return
        raise UsageError(
            got=f"{self.url}, which is another place on {socket.gethostname()} than where the sweep was started",
            allowed="a folder that all machines share, or a URL as s3://bucket/sweep",
            do="pass such an --out",
        )

    @contextlib.contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        """A folder of this machine to write into, from where `publish` is quick; it is removed afterwards. So is what a driver that was
        killed has left of `name`, before and, as the process of its cell ends a moment later, afterwards too.
        """
        home = Path(self.path(PARTIAL)) if self.is_folder else None
        if home is not None:
            home.mkdir(parents=True, exist_ok=True)
            clear(home, name)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=home))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if home is not None:
                clear(home, name)

    def publish(self, folder: Path, name: str) -> None:
        """The files of `folder` under `name`, in place of those there."""
        if not self.is_folder:
            for path in sorted(one for one in folder.rglob("*") if one.is_file()):
                remote = self.path(f"{name}/{path.relative_to(folder).as_posix()}")
                patiently(lambda path=path, remote=remote: self.fs.put_file(str(path), remote))  # type: ignore[misc]  # as above
            return
        for path in (one for one in folder.rglob("*") if one.is_file()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        final = Path(self.path(name))
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            old = folder.with_name(f"{folder.name}.old")
            final.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        folder.rename(final)


def clear(home: Path, name: str) -> None:
    """Removes all workspaces of `name` in `home`."""
    for left in home.glob(f"{name}.*"):
        shutil.rmtree(left, ignore_errors=True)


def fetch(fs: Any, paths: list[str], found: dict[str, bytes | None]) -> None:
    """Reads those that are not `found` yet into it, None for one that is not there. Raises what reading one of them does."""
    answers: dict[str, Any] = fs.cat([path for path in paths if path not in found], on_error="return")
    for path, answer in answers.items():
        if isinstance(answer, bytes | FileNotFoundError):
            found[path] = answer if isinstance(answer, bytes) else None
    for answer in answers.values():
        if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError):
            raise answer


def linked(path: Path, content: bytes) -> bool:
    """Writes a file that is whole when it gets its name; False where the name is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def open_store(url: str) -> Store:
    """The store at a path or URL. Raises ToolchainError without the package that opens such URLs, UsageError for other ones."""
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        package = PACKAGES.get(url.partition("://")[0], "what the message names")
        raise ToolchainError(
            got=f"{url}, and no package that opens it ({error})",
            allowed="a folder, or a URL whose package is installed",
            do=f"pip install {package}",
        ) from None
    except ValueError as error:
        raise UsageError(
            got=f"{url} ({error})",
            allowed="a folder, or a URL as s3://bucket/sweep",
            do="correct --out",
        ) from None
    return Store(url=url, fs=fs, root=root.rstrip("/"))
