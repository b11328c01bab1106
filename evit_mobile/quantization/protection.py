"""Which modules stay float so that the rest may be int8: the cheapest first, by noise removed per millisecond added."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch.export import ExportedProgram
from torch.fx import GraphModule

from converters.quantized_program import shared_module
from evit_mobile.findings import Protection
from evit_mobile.quantization.cost import LatencyModel, modelled_latency_ms
from evit_mobile.quantization.placement import place
from evit_mobile.quantization.sensitivity import Harm, sqnr_of

LEAST_COST_MS = 1e-4
"""What protecting a module is taken to cost at least, so that a free one does not divide by zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A choice on the way from everything int8 to everything float. `added` is the module that the step before lacks."""

    added: str | None
    protected: frozenset[str]
    predicted_sqnr_db: float
    latency_ms: float


def protection_path(
    program: ExportedProgram, harms: Mapping[str, Harm], start: frozenset[str] = frozenset()
) -> Iterator[Step]:
    """Steps with more and more modules float, from those of `start` on; each protects what the one before does and the module that
    pays most.

    A module is a path of the model or any part of it: a convolution, an attention, a whole stage. The gain of a module can
    only shrink as others join, so the best of the last round is looked at first (lazy greedy).
    """
    search = _Search(shared_module(program), harms)
    step = search.step(None, start)
    yield step
    waiting = [(-search.worth(step, path)[0], path) for path in search.modules()]
    heapq.heapify(waiting)
    while waiting:
        _, path = heapq.heappop(waiting)
        if any(path == done or path.startswith(f"{done}.") for done in step.protected):
            continue
        worth, candidate = search.worth(step, path)
        if worth <= 0:
            continue
        if waiting and worth < -waiting[0][0]:
            heapq.heappush(waiting, (-worth, path))
            continue
        step = candidate
        yield step


class _Search:
    def __init__(self, module: GraphModule, harms: Mapping[str, Harm]) -> None:
        self.module, self.harms, self.latency_ms = module, harms, LatencyModel(module)

    def step(self, added: str | None, protected: frozenset[str]) -> Step:
        placement = place(self.module, protected)
        names = [node.name for group in placement.groups for node in group]
        names += [str(weight.target) for weight, _ in placement.weights]
        return Step(
            added=added,
            protected=protected,
            predicted_sqnr_db=sqnr_of(sum(self.harms[name].output for name in names if name in self.harms)),
            latency_ms=self.latency_ms(placement),
        )

    def worth(self, step: Step, path: str) -> tuple[float, Step]:
        """Noise that protecting `path` as well removes, per millisecond that it adds, and the step it leads to."""
        candidate = self.step(path, step.protected | {path})
        removed = 10 ** (-step.predicted_sqnr_db / 10) - 10 ** (-candidate.predicted_sqnr_db / 10)
        return removed / max(candidate.latency_ms - step.latency_ms, LEAST_COST_MS), candidate

    def modules(self) -> list[str]:
        """Paths of all modules that have int8 parts, and of those around them."""
        paths = (harm.module.split(".") for harm in self.harms.values() if harm.module)
        return sorted({".".join(parts[: end + 1]) for parts in paths for end in range(len(parts))})


def protections(
    program: ExportedProgram, harms: Mapping[str, Harm], start: Protection
) -> Iterator[tuple[Protection, float]]:
    """The steps of `protection_path` with the SQNR in dB that is predicted for each."""
    module = shared_module(program)
    plain_ms = modelled_latency_ms(module, place(module))
    modules = start.modules
    for step in protection_path(program, harms, start.protected):
        if step.added is not None:
            modules = (*(m for m in modules if not m.startswith(f"{step.added}.")), step.added)
        yield Protection(modules=modules, latency_ratio=step.latency_ms / plain_ms), step.predicted_sqnr_db
