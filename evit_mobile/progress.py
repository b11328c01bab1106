"""Progress for people: one line about what is being done, never part of a result."""

from __future__ import annotations

import time
from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line."""


def silent(_message: str) -> None:
    """The Report that says nothing."""


class Pace:
    """Tells, every few seconds, how many of `total` are done, at what rate, and how long the rest will take. What is done sooner is not
    told of.
    """

    EVERY_S = 5.0

    def __init__(self, report: Report, doing: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._report, self._doing, self._total, self._clock = report, doing, total, clock
        self._started = self._told = clock()

    def __call__(self, done: int) -> None:
        """`done` of the total, one at least."""
        now = self._clock()
        if now - self._told < self.EVERY_S:
            return
        self._told = now
        rate = done / (now - self._started)
        left = duration((self._total - done) / rate)
        self._report(f"{self._doing}: {done} of {self._total}, {rate:.3g} a second, {left} left")


def duration(seconds: float) -> str:
    """As people say it: "40 s", "3 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
