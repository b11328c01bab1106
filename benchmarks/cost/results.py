"""What is left of a measurement of cost; its JSON form is that of all results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cost.usage import Usage
from benchmarks.machine import Machine
from benchmarks.statistics import Spread, paired_ratios, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`ours` and `theirs`, what the same work took here and in `peer`, turn by turn, in that order; `theirs` is empty where `peer` cannot
    do it. `time` and `memory` are the goals for the ratios, None for no goal.
    """

    name: str
    title: str
    peer: str
    build: str
    date: str
    machine: Machine
    ours: tuple[Usage, ...]
    theirs: tuple[Usage, ...]
    time: float | None = None
    memory: float | None = None

    @property
    def time_ratio(self) -> Spread | None:
        """Processor time as a multiple of the peer's in the same turn."""
        return paired([one.cpu_s for one in self.ours], [one.cpu_s for one in self.theirs])

    @property
    def memory_ratio(self) -> Spread | None:
        """Peak memory likewise; None where it was not measured."""
        return paired(peaks(self.ours), peaks(self.theirs))


def peaks(usages: Sequence[Usage]) -> list[float]:
    return [float(one.peak_bytes) for one in usages if one.peak_bytes is not None]


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Spread | None:
    return spread(paired_ratios(ours, theirs)) if ours and theirs else None
