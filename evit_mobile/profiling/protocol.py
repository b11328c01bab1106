"""How every place measures: load, warm up until steady, then interleaved timed runs until the medians are known well enough.

Interleaved means A B A B in short blocks, so that what changes on the machine meets all artefacts alike, and blocks of the same
round form pairs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from evit_mobile.errors import UsageError
from evit_mobile.figures import Estimate
from evit_mobile.progress import Report
from evit_mobile.statistics import is_precise, is_steady, slowdown

BLOCK_MS = 40.0
MINIMUM_BLOCK_RUNS = 5
MAXIMUM_BLOCK_RUNS = 50
MINIMUM_RUNS = 200
MAXIMUM_RUNS = 20_000
WARM_UP_SHARE = 0.3
"""Of the budget."""

THROTTLED = 1.05
"""Slower by this much from the first third to the last, beyond the interval, counts as throttled."""

FREQUENCY_DROP = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`bound`: half of the median's 95 % interval as a share of it; `budget_s`: longest measurement of one artefact, seconds."""

    threads: int = 1
    bound: float = 0.01
    budget_s: float = 20.0

    def __post_init__(self) -> None:
        if not (self.threads > 0 and 0 < self.bound < 1 and self.budget_s > 0):
            raise UsageError(
                got=f"{self.threads} threads, bound {self.bound}, budget {self.budget_s} s",
                allowed="threads and budget above 0, bound between 0 and 1",
                do="correct the option",
            )


class Session(Protocol):
    """One artefact, ready to run somewhere."""

    def ask(self, request: str) -> dict[str, Any]:
        """Answers `load`, `run N` and `facts` as worker.py documents. Raises DeviceError."""
        ...


@dataclass(slots=True, kw_only=True)
class Measurement:
    """What was measured of one artefact. Latencies in ms in order; `blocks` are the medians of its rounds,
    `metrickit` what the system tells of the app's days before."""

    loaded: dict[str, Any]
    warm_up_ms: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    blocks_ms: list[float] = field(default_factory=list)
    steady: bool = False
    precise: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    metrickit: list[dict[str, Any]] = field(default_factory=list)


def measure(sessions: Sequence[Session], settings: Settings, report: Report) -> list[Measurement]:
    """Measures all sessions side by side. Raises DeviceError."""
    measurements = []
    for number, session in enumerate(sessions, 1):
        report(f"loading and warming up {number} of {len(sessions)}")
        measurement = Measurement(loaded=session.ask("load"))
        measurements.append(measurement)
        warm_up(session, measurement, settings)
    for session, measurement in zip(sessions, measurements, strict=True):
        measurement.before = session.ask("facts")
    report("timing")
    time_rounds(sessions, measurements, settings)
    for session, measurement in zip(sessions, measurements, strict=True):
        measurement.after = session.ask("facts")
    return measurements


def warm_up(session: Session, measurement: Measurement, settings: Settings) -> None:
    """Runs until latencies no longer fall, or until a share of the budget is spent."""
    deadline = time.monotonic() + WARM_UP_SHARE * settings.budget_s
    while not measurement.steady and time.monotonic() < deadline:
        count = block_runs(measurement.warm_up_ms or [measurement.loaded["first_run_ms"]])
        measurement.warm_up_ms += session.ask(f"run {count}")["latencies_ms"]
        measurement.steady = is_steady(measurement.warm_up_ms)


def time_rounds(sessions: Sequence[Session], measurements: Sequence[Measurement], settings: Settings) -> None:
    """Rounds of one block per session until every median is within the bound, or until the budget is spent."""
    counts = [block_runs(m.warm_up_ms or [m.loaded["first_run_ms"]]) for m in measurements]
    deadline = time.monotonic() + settings.budget_s * len(sessions)
    while not all(m.precise for m in measurements) and time.monotonic() < deadline:
        for session, measurement, count in zip(sessions, measurements, counts, strict=True):
            block = session.ask(f"run {count}")["latencies_ms"]
            measurement.latencies_ms += block
            measurement.blocks_ms.append(float(np.median(block)))
        if max(len(m.latencies_ms) for m in measurements) > MAXIMUM_RUNS:
            break
        for measurement, count in zip(measurements, counts, strict=True):
            runs = len(measurement.latencies_ms)
            measurement.precise = runs >= MINIMUM_RUNS and is_precise(
                measurement.latencies_ms, settings.bound, max(count, runs // 4)
            )


def block_runs(latencies_ms: Sequence[float]) -> int:
    """How many runs make a block."""
    return int(np.clip(BLOCK_MS / float(np.median(latencies_ms)), MINIMUM_BLOCK_RUNS, MAXIMUM_BLOCK_RUNS))


def throttling(measurement: Measurement) -> tuple[Estimate, list[str]]:
    """How much slower the last third was than the first, and every sign that the machine slowed itself down."""
    before, after = measurement.before, measurement.after
    change, signs = slowdown(measurement.latencies_ms), []
    if change.low > THROTTLED:
        busy = max(after.get("load_average") or [0.0])
        signs.append(
            f"latency rose by {100 * (change.value - 1):.0f} % during the measurement (load average {busy:.1f}"
            f" on {after.get('cores')} cores: above that number other processes are a cause too)"
        )
    if after.get("throttle_events", 0) > before.get("throttle_events", 0):
        signs.append(f"{after['throttle_events'] - before['throttle_events']} thermal throttle events")
    first, last = before.get("frequency_mhz"), after.get("frequency_mhz")
    if first and last and max(last) < FREQUENCY_DROP * max(first):
        signs.append(f"clock fell from {max(first):.0f} to {max(last):.0f} MHz")
    for name in ("thermal_state", "thermal_status"):
        states = before.get(name), after.get(name)
        if states[0] != states[1]:
            signs.append(f"{name.replace('_', ' ')} went from {states[0]} to {states[1]}")
    return change, signs
