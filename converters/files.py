"""Writing files so that nothing half-written ever carries a final name, and hashing what was written."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` on success, removes it on any failure.

    The temporary path keeps the suffix and may become a file or a folder. OSError (disk full, not writable) passes through.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    temporary = workspace / path.name
    try:
        yield temporary
        _flush(temporary)
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _flush(path: Path) -> None:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _members(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file())


def size_bytes(path: Path) -> int:
    """Size of a file, or of all files in a package folder."""
    return sum(p.stat().st_size for p in _members(path)) if path.is_dir() else path.stat().st_size


def sha256(path: Path) -> str:
    """SHA-256 of a file; of a folder, over every member's relative path and content, in sorted order."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for member in _members(path):
        name = member.relative_to(path).as_posix().encode()
        content = member.read_bytes()
        digest.update(len(name).to_bytes(8, "little") + name + len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
