"""Sweeps of cells that cost nothing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from evit_mobile.engines.jobs import Job, Outcome, Surroundings
from evit_mobile.strict_json import to_json
from evit_mobile.sweeps.cell import finished
from evit_mobile.sweeps.cell import perform as perform_in_child
from evit_mobile.sweeps.digest import Cell
from evit_mobile.sweeps.plan import SweepPlan
from evit_mobile.sweeps.store import open_store
from tests.evit_mobile.sweeps.fakes import written

FAKES = "tests.evit_mobile.sweeps.fakes"


def plan_of(count: int) -> SweepPlan:
    """A plan of so many cells, told apart by their seeds."""
    return SweepPlan.of(
        {"models": ["efficientvit_m0"], "formats": ["tflite"], "options": [{"seed": seed} for seed in range(count)]}
    )


def cells_of(count: int) -> list[Cell]:
    """So many cells, without reading weights for each."""
    (request,) = plan_of(1).requests()[0]
    return [
        Cell(
            name=f"cell-{index:05d}",
            digest=f"{index:05d}",
            request=replace(request, seed=index),
            evaluate=None,
            weights=None,
        )
        for index in range(count)
    ]


def perform(job: Job, around: Surroundings) -> Outcome:
    """As `evit_mobile.sweeps.cell.perform`, with the function that CELLS_FUNCTION names."""
    function = os.environ.get("CELLS_FUNCTION", "written")
    return perform_in_child(replace(job, function=f"{FAKES}:{function}"), around)


def perform_slowly(job: Job, around: Surroundings) -> Outcome:
    return perform_in_child(replace(job, function=f"{FAKES}:slow"), around)


def perform_here(job: Job, _around: Surroundings) -> Outcome:
    """Writes a cell without a process of its own, as a simulated sweep of many cells does."""
    store = open_store(job.payload["store"])
    with store.workspace(job.name) as folder:
        made = folder / "made"
        outcome = Outcome(result=written({**job.payload, "out": str(made)}), seconds=0.1, peak_bytes=1)
        store.publish(made, f"cells/{job.name}")
        store.write(f"done/{job.name}.json", to_json(finished(job, outcome)).encode())
    return outcome


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and was not waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def drive(out: str, count: int) -> None:
    """What a driver in a process of its own does."""
    from evit_mobile.engines.local import LocalEngine
    from evit_mobile.sweeps.driver import run_cells

    run_cells(cells_of(count), open_store(out), LocalEngine(workers=2), work=perform)
