"""What a place is asked for and gives, and how places that hold a session per artefact come by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from evit_mobile.profiling.energy.measure import Sources, measure_energy
from evit_mobile.profiling.protocol import Measurement, Session, Settings, measure
from evit_mobile.profiling.records import Subject
from evit_mobile.profiling.stored import unavailable
from evit_mobile.progress import Report

Entry = dict[str, Any]
NO_OPERATORS: Entry = unavailable("operators are only timed on this machine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a place measures: `python` is the interpreter on a machine behind ssh, `runner` the program on an Android device;
    `force_energy` takes the battery's current even while it charges.
    """

    settings: Settings
    python: str = "python3"
    runner: Path | None = None
    force_energy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one artefact: its operators where the place tells them, and its energy, as in its record."""

    measurement: Measurement
    operators: Entry
    energy: Entry

    @property
    def median_ms(self) -> float:
        return float(np.median(self.measurement.latencies_ms))


Measure = Callable[[str, Sequence[Subject], Asked, Report], list[Measured]]
"""Measures subjects at a place with what follows its name, as a serial. Raises UsageError, ArtefactError, DeviceError."""

S = TypeVar("S", bound=Session)


def in_sessions(
    sessions: Sequence[S], asked: Asked, report: Report, sources: Callable[[S], Sources] | None
) -> list[Measured]:
    """Latencies of all sessions side by side, then each one's energy; `sources` are where the energy of a session can be read, None
    where it cannot. Raises DeviceError.
    """
    found = []
    for session, measurement in zip(sessions, measure(sessions, asked.settings, report), strict=True):
        energy = unavailable("energy is not read behind ssh")
        if sources is not None:
            report("measuring energy")
            energy = measure_energy(session, float(np.median(measurement.latencies_ms)), sources(session))
        found.append(Measured(measurement=measurement, operators=NO_OPERATORS, energy=energy))
    return found
