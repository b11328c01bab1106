"""Measures the energy of sessions on this machine, with the first source that can be read here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from evit_mobile.profiling.energy.account import EnergyUnavailableError, Interval, Reading, between, entry
from evit_mobile.profiling.energy.battery import Battery
from evit_mobile.profiling.energy.rapl import Rapl
from evit_mobile.profiling.protocol import Session

REPETITIONS = 5
REPETITION_S = 1.0


class Source(Protocol):
    """Something that counts energy."""

    source: str
    resolution_mj: float
    wrap_joules: dict[str, float] | None

    def read(self) -> Reading:
        """What was counted so far. Raises EnergyUnavailableError."""
        ...


SOURCES: tuple[Callable[[], Source], ...] = (Rapl, Battery)
"""Best first."""


def find_source() -> Source:
    """The best source of this machine. Raises EnergyUnavailableError with the reason of each."""
    reasons = []
    for make in SOURCES:
        try:
            return make()
        except EnergyUnavailableError as error:
            reasons.append(str(error))
    raise EnergyUnavailableError("; ".join(reasons))


def measure_energy(session: Session, latency_ms: float, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """The "energy" of a record: idle and busy repetitions of about a second, one after the other.

    Nothing else may run meanwhile: all that the machine spends beyond idling counts for the session. `unavailable` with the
    reason where nothing can be read. Raises DeviceError.
    """
    try:
        source = find_source()
        idle, busy = [], []
        count = max(1, round(1e3 * REPETITION_S / latency_ms))
        for _ in range(REPETITIONS):
            idle.append(measured(source, lambda: sleep(REPETITION_S)))
            busy.append(measured(source, lambda: session.ask(f"run {count}"), count))
        return entry(idle, busy, source=source.source, resolution_mj=source.resolution_mj)
    except EnergyUnavailableError as error:
        return {"unavailable": str(error)}


def measured(source: Source, work: Callable[[], Any], inferences: int = 0) -> Interval:
    """What `work` took. Raises EnergyUnavailableError, DeviceError."""
    before = source.read()
    work()
    return between(before, source.read(), source.wrap_joules, inferences)
