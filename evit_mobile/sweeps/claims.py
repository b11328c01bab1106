"""Which driver works on a cell: two that are given the same sweep share it, and what one that died had claimed is taken over.

A claim is a file that is created exclusively and names its driver; a driver shows that it lives by counting on in a file of its own.
Whoever finds the claim of a dead driver creates the next one, claims/NAME.1 after claims/NAME.0, which again only one can. Should two
ever work on one cell, where a store has no exclusive writes, they write the same: its result depends on its name alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from evit_mobile.sweeps.store import Store

BEAT_S = 5.0
LEASE_S = 60.0
"""A driver whose count stands still for so long is dead, by the clock of who looks."""


class Claims:
    """Those of one driver of the sweep in `store`."""

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._store, self._now = store, now
        self.owner = uuid.uuid4().hex[:12]
        self._beats = 0
        self._seen: dict[str, tuple[int, float]] = {}

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Shows that this driver lives while the block runs."""
        over = threading.Event()
        self.beat()
        thread = threading.Thread(target=self._beat_on, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._store.remove(f"drivers/{self.owner}.json")

    def _beat_on(self, over: threading.Event) -> None:
        while not over.wait(BEAT_S):
            with contextlib.suppress(OSError):  # the next one may be written
                self.beat()

    def beat(self) -> None:
        """Counts on."""
        self._beats += 1
        document = {"host": socket.gethostname(), "pid": os.getpid(), "beats": self._beats}
        self._store.write(f"drivers/{self.owner}.json", json.dumps(document).encode())

    def take(self, name: str) -> bool:
        """Whether the cell called `name` is this driver's to work on now."""
        generation = 0
        while not self._store.create(f"claims/{name}.{generation}", self.owner.encode()):
            owner = self._owner_of(name, generation)
            if owner == self.owner:  # the store said that it failed when it had not
                return True
            if self._lives(owner):
                return False
            generation += 1
        return True

    def release(self, name: str) -> None:
        """Nobody works on the cell any more."""
        generation = 0
        while self._owner_of(name, generation) is not None:
            self._store.remove(f"claims/{name}.{generation}")
            generation += 1

    def tidy(self, ended: set[str]) -> None:
        """Removes what drivers that died have left: claims of cells that are `ended`, and their own files."""
        for claim in self._store.names("claims"):
            if claim.rpartition(".")[0] in ended:
                self._store.remove(f"claims/{claim}")
        for driver in self._store.names("drivers"):
            if driver != self.owner and not self._lives(driver):
                self._store.remove(f"drivers/{driver}.json")

    def _owner_of(self, name: str, generation: int) -> str | None:
        with contextlib.suppress(FileNotFoundError):
            return self._store.read(f"claims/{name}.{generation}").decode()
        return None

    def _lives(self, owner: str | None) -> bool:
        """Whether a driver counts on. One that ended without a word on this machine has no process any more, which is sooner known."""
        try:
            document = json.loads(self._store.read(f"drivers/{owner}.json"))
        except FileNotFoundError:
            return False
        if document["host"] == socket.gethostname() and not has_process(document["pid"]):
            return False
        beats, now = document["beats"], self._now()
        last, since = self._seen.get(str(owner), (None, now))
        if beats != last:
            since = now
        self._seen[str(owner)] = (beats, since)
        return now - since < LEASE_S


def has_process(pid: int) -> bool:
    """Whether a process of this machine has that number."""
    if Path("/proc/self").exists():
        return Path(f"/proc/{pid}").exists()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
