"""Observers on disk, so that an interrupted calibration goes on where it stopped and a finished one is not repeated.

One file per calibration, under a key that must name everything the observations depend on. A file that cannot be read in
full counts as absent: it costs time, never a wrong range.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calib.observers import Observer

MAX_FILES = 64
"""Older ones are removed; a file holds one or two megabytes."""

SEEN = "seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverCache:
    """The observers of one calibration in `folder`, under `key` (hexadecimal digits)."""

    folder: Path
    key: str

    @property
    def path(self) -> Path:
        return self.folder / f"{self.key}.npz"

    def load(self, observers: Mapping[str, Observer]) -> int:
        """Restores `observers` and returns how many images they have seen; 0, and nothing restored, without a usable file."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                arrays = dict(stored)
            seen = int(arrays[SEEN])
            states: dict[str, dict[str, np.ndarray]] = {name: {} for name in observers}
            for entry, array in arrays.items():
                name, slash, field = entry.rpartition("/")
                if slash:
                    states[name][field] = array
            if not all(states.values()):
                return 0
            for name, observer in observers.items():
                observer.restore(states[name])
        except Exception:  # zipfile, zlib and numpy answer damaged bytes with many kinds; each means the same
            return 0
        return seen

    def save(self, observers: Mapping[str, Observer], seen: int) -> None:
        """Writes the file whole or not at all. A folder that cannot be written to is no error: nothing is kept then."""
        arrays: dict[str, Any] = {SEEN: np.array(seen)}
        for name, observer in observers.items():
            arrays |= {f"{name}/{field}": array for field, array in observer.state().items()}
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".partial")
            try:
                with os.fdopen(handle, "wb") as file:
                    np.savez_compressed(file, **arrays)
                Path(temporary).replace(self.path)
            finally:
                Path(temporary).unlink(missing_ok=True)
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        files = sorted(self.folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[MAX_FILES:]:
            path.unlink(missing_ok=True)


def cache_folder(application: str) -> Path:
    """Where the platform keeps an application's caches: XDG_CACHE_HOME, else the system's own folder."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / application
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / application
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / application / "Cache"
    return Path.home() / ".cache" / application
