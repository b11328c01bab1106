"""From readings of energy to mJ per inference: idle power is measured and subtracted, and the interval comes from repetitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evit_mobile.statistics import student_95


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters of one moment: `time_s` on the clock of the source, `joules` counted per rail so far."""

    time_s: float
    joules: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What happened between two readings: seconds, joules of all rails, and inferences that ran."""

    seconds: float
    joules: float
    inferences: int = 0


class EnergyUnavailableError(Exception):
    """Nothing can be read, or what was read is not usable; the message says why."""


def between(
    before: Reading, after: Reading, wrap_joules: dict[str, float] | None = None, inferences: int = 0
) -> Interval:
    """The interval between two readings. A counter that fell has wrapped around once, at `wrap_joules` of its rail.

    Raises EnergyUnavailableError when rails differ, a counter fell that does not wrap, or the clock did not advance.
    """
    if before.joules.keys() != after.joules.keys():
        missing = sorted(before.joules.keys() ^ after.joules.keys())
        raise EnergyUnavailableError(f"rails came or went during the measurement: {', '.join(missing)}")
    seconds = after.time_s - before.time_s
    if seconds <= 0:
        raise EnergyUnavailableError(f"the source's clock went {-seconds:.3f} s backwards, or stood still")
    total = 0.0
    for rail, start in before.joules.items():
        spent = after.joules[rail] - start
        if spent < 0:
            if not wrap_joules or rail not in wrap_joules:
                raise EnergyUnavailableError(f"the counter of {rail} fell: it was reset")
            spent += wrap_joules[rail]
        total += spent
    return Interval(seconds=seconds, joules=total, inferences=inferences)


def entry(idle: Sequence[Interval], busy: Sequence[Interval], *, source: str, resolution_mj: float) -> dict[str, Any]:
    """The "energy" of a record: mJ per inference above idle and average W, with 95 % intervals over the repetitions.

    Raises EnergyUnavailableError for fewer than two repetitions, or intervals that hold less than ten steps of the source.
    """
    if min(len(idle), len(busy)) < 2 or any(item.inferences < 1 for item in busy):
        raise EnergyUnavailableError("fewer than two repetitions")
    if min(item.joules for item in busy) * 1e3 < 10 * resolution_mj:
        raise EnergyUnavailableError(
            f"{source} moves in steps of {resolution_mj:g} mJ; the measurement is shorter than ten of them"
        )
    idle_w = np.array([item.joules / item.seconds for item in idle])
    busy_w = np.array([item.joules / item.seconds for item in busy])
    seconds = np.array([item.seconds / item.inferences for item in busy])
    total_mj = 1e3 * busy_w * seconds
    above_mj = total_mj - 1e3 * float(idle_w.mean()) * seconds
    idle_error_mj = half_width(idle_w) * 1e3 * float(seconds.mean())
    return {
        "source": source,
        "resolution_mj": resolution_mj,
        "repetitions": len(busy),
        "inferences": int(sum(item.inferences for item in busy)),
        "mj_per_inference": estimate(above_mj, idle_error_mj),
        "mj_per_inference_with_idle": estimate(total_mj),
        "average_w": estimate(busy_w),
        "idle_w": estimate(idle_w),
    }


def half_width(values: Any) -> float:
    """Half of the 95 % interval of a mean of independent values (n,)."""
    return student_95(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def estimate(values: Any, other_error: float = 0.0) -> dict[str, float]:
    """A mean with its interval; an independent error of the same unit adds as squares."""
    half, value = math.hypot(half_width(values), other_error), float(np.mean(values))
    return {"value": value, "low": value - half, "high": value + half}
