"""Measures the energy of sessions, with the first source that can be read where they run."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading, between, entry
from evit_mobile.profiling.energy.battery import Battery
from evit_mobile.profiling.energy.perfetto import PerfettoRails
from evit_mobile.profiling.energy.power_stats import PowerStats
from evit_mobile.profiling.energy.powermetrics import PowerMetrics
from evit_mobile.profiling.energy.rapl import Rapl
from evit_mobile.profiling.protocol import Session

REPETITIONS = 5
REPETITION_S = 1.0
ANDROID_BATTERY = PurePosixPath("/sys/class/power_supply/battery")


class Source(Protocol):
    """Something that counts energy. One with `settle(readings)` completes them in the end; one with `close()` is closed then."""

    source: str
    resolution_mj: float
    wrap_joules: dict[str, float] | None

    def read(self) -> Reading:
        """What was counted so far. Raises EnergyUnavailableError."""
        ...


Sources = Sequence[Callable[[], Source]]


def host_sources(*, force: bool = False) -> Sources:
    """What can be there on this machine, best first. `force` takes the battery even while it charges."""
    return (PowerMetrics if sys.platform == "darwin" else Rapl, lambda: Battery(force=force))


def android_sources(shell: Callable[[str], str], pull: Callable[[str, Path], None], *, force: bool = False) -> Sources:
    """What can be there on an Android device behind `shell`, best first; `pull(remote, local)` copies a file from it."""

    def battery() -> Source:
        return Battery(folder=ANDROID_BATTERY, read=lambda path: shell(f"cat {path}").strip(), force=force)

    return (lambda: PowerStats(shell), lambda: PerfettoRails(shell, pull), battery)


def find_source(sources: Sources) -> Source:
    """The best source. Raises EnergyUnavailableError with the reason of each."""
    reasons = []
    for make in sources:
        try:
            return make()
        except EnergyUnavailableError as error:
            reasons.append(str(error))
    raise EnergyUnavailableError("; ".join(reasons))


def measure_energy(
    session: Session, latency_ms: float, sources: Sources, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """The "energy" of a record: idle and busy repetitions of about a second, one after the other.

    Nothing else may run meanwhile: all that the machine spends beyond idling counts for the session. `unavailable` with the
    reason where nothing can be read. Raises DeviceError.
    """
    count = max(1, round(1e3 * REPETITION_S / latency_ms))
    try:
        with contextlib.ExitStack() as stack:
            source = find_source(sources)
            stack.callback(getattr(source, "close", lambda: None))
            readings = []
            for _ in range(REPETITIONS):
                readings.append(source.read())
                sleep(REPETITION_S)
                readings += [source.read(), source.read()]
                session.ask(f"run {count}")
                readings.append(source.read())
            settled = getattr(source, "settle", list)(readings)
            pairs = list(zip(settled[::2], settled[1::2], strict=True))
            idle = [between(*pair, source.wrap_joules) for pair in pairs[::2]]
            busy = [between(*pair, source.wrap_joules, count) for pair in pairs[1::2]]
            return entry(idle, busy, source=source.source, resolution_mj=source.resolution_mj)
    except EnergyUnavailableError as error:
        return {"unavailable": str(error)}
