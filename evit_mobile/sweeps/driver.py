"""sweep(): what of a plan is not finished yet is handed to an engine, until all of it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evit_mobile.engines.choice import chosen_engine
from evit_mobile.engines.jobs import Engine, Job, Outcome, Work
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.progress import Report, silent
from evit_mobile.request.checks import usable_targets
from evit_mobile.spec import find_spec
from evit_mobile.sweeps.cell import job_of, perform
from evit_mobile.sweeps.claims import Claims
from evit_mobile.sweeps.digest import Cell, Digests
from evit_mobile.sweeps.estimate import Estimator
from evit_mobile.sweeps.plan import SweepPlan
from evit_mobile.sweeps.records import CellRecord, FailedCell, read_record
from evit_mobile.sweeps.results import records, require_pyarrow, write_results
from evit_mobile.sweeps.store import Store, open_store

POLL_S = 2.0
"""Between looks at what another driver works on."""
KNOWN = 100
"""Finished cells that estimates follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellState:
    """One cell of the plan: "finished", "unproven" where a judge did not pass it, "failed" or, before it ran, "open". `seconds` and
    `memory_bytes` are what it took, or may take.
    """

    name: str
    title: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is at `out` of the plan's cells, and what the plan left out."""

    out: str
    cells: tuple[CellState, ...]
    left_out: tuple[str, ...]

    @property
    def proven(self) -> bool:
        """Whether every cell is finished and every judge has passed it."""
        return all(cell.state == "finished" for cell in self.cells)


def sweep(
    plan: SweepPlan | Mapping[str, Any] | Path | str,
    *,
    out: Path | str,
    workers: int | None = None,
    memory_bytes: int | None = None,
    ray: str | None = None,
    retry_failed: bool = False,
    dry_run: bool = False,
    report: Report = silent,
) -> Sweep:
    """Converts, and where the plan says so evaluates, every cell of `plan` that is not finished in `out`, a folder or a URL of fsspec.

    Cells are processes on this machine, at most `workers` (its processors) that together take at most `memory_bytes` (90 % of what is
    free); with `ray`, "auto" or an address, tasks of that cluster. Cells that failed before are tried again with `retry_failed` only.
    With `dry_run` nothing is done. Several may work on one sweep at once. Raises UsageError, DataError, ToolchainError, DeviceError;
    a cell that fails is not an error but a state.
    """
    found = SweepPlan.of(plan)
    require_pyarrow()
    requests, left_out = found.requests()
    report("reading weights and images")
    digests = Digests()
    cells = [digests.cell(request, found.evaluate) for request in requests]
    store = open_store(str(out))
    if not dry_run:
        check_cells(cells)
        engine = chosen_engine(workers, memory_bytes, ray, report)
        run_cells(cells, store, engine, retry_failed=retry_failed, report=report)
    return Sweep(out=str(out), cells=tuple(states(cells, store)), left_out=tuple(left_out))


def check_cells(cells: Sequence[Cell]) -> None:
    """Raises UsageError for a variant that there is not, and UsageError and ToolchainError for what no cell of this machine can do."""
    for cell in cells:
        if cell.request.model is not None:
            find_spec(cell.request.model, size=cell.request.size)
    for request in {(one.request.formats, one.request.precision): one.request for one in cells}.values():
        usable_targets(request)


def run_cells(
    cells: Sequence[Cell],
    store: Store,
    engine: Engine,
    *,
    retry_failed: bool = False,
    report: Report = silent,
    work: Work = perform,
) -> None:
    """Runs those that are not finished. Raises UsageError where there is no room for their files."""
    claims = Claims(store)
    if retry_failed:
        for name in {cell.name for cell in cells} & set(store.names("failed")):
            store.remove(f"failed/{name}.json")
    try:
        with claims.alive():
            while left := open_cells(cells, store):
                ran = run_open(left, store, claims, engine, report, work)
                if not ran:
                    time.sleep(POLL_S)
            claims.tidy({*store.names("done"), *store.names("failed")})
    except BaseException:
        with contextlib.suppress(OSError):  # the disk may be full, and why it ended is what matters
            write_results(store)
        raise
    write_results(store)


def run_open(cells: Sequence[Cell], store: Store, claims: Claims, engine: Engine, report: Report, work: Work) -> int:
    """Runs those that no other driver works on; how many these were."""
    ran = 0
    with contextlib.closing(engine.run(work, jobs(cells, store, claims), report)) as running:
        for job, outcome in running:
            ran += 1
            claims.release(job.name)
            report(f"{ran} of {len(cells)}: {job.payload['title']} {ending(outcome)}")
            if outcome.full_disk:
                raise UsageError(
                    got=f"no room for the files of {job.name} ({outcome.reason})",
                    allowed="room for what cells write; finished ones are complete",
                    do="make room, and start the sweep again",
                )
    return ran


def ending(outcome: Outcome) -> str:
    """What became of a job, in words."""
    if outcome.result is None:
        return f"failed: {outcome.reason}"
    return f"took {outcome.seconds:.1f} s and {outcome.peak_bytes / 1e9:.1f} GB"


def open_cells(cells: Sequence[Cell], store: Store) -> list[Cell]:
    """Those that are neither finished nor failed."""
    ended = {*store.names("done"), *store.names("failed")}
    return [cell for cell in cells if cell.name not in ended]


def jobs(cells: Iterable[Cell], store: Store, claims: Claims) -> Iterator[Job]:
    """The jobs of cells that nobody works on, each claimed when it is asked for."""
    estimator = Estimator(known_records(store))
    for cell in cells:
        if not claims.take(cell.name):
            continue
        if store.exists(f"done/{cell.name}.json") or store.exists(f"failed/{cell.name}.json"):
            claims.release(cell.name)
            continue
        yield job_of(cell, store, claims.owner, estimator.estimate(cell.request).memory_bytes)


def known_records(store: Store) -> list[CellRecord]:
    """Some finished cells to learn from."""
    return list(records(store, store.names("done")[-KNOWN:]))


def states(cells: Iterable[Cell], store: Store) -> Iterator[CellState]:
    """What is there of each cell, in their order."""
    done, failures = set(store.names("done")), set(store.names("failed"))
    estimator = Estimator(known_records(store))
    for cell in cells:
        if cell.name in done:
            yield finished_state(cell, read_record(CellRecord, store.read(f"done/{cell.name}.json"), cell.name))
        elif cell.name in failures:
            failure = read_record(FailedCell, store.read(f"failed/{cell.name}.json"), cell.name)
            yield replace(open_state(cell), state="failed", reason=failure.reason, seconds=failure.seconds)
        else:
            estimate = estimator.estimate(cell.request)
            yield replace(open_state(cell), seconds=estimate.seconds, memory_bytes=estimate.memory_bytes)


def open_state(cell: Cell) -> CellState:
    return CellState(name=cell.name, title=cell.title, state="open")


def finished_state(cell: Cell, record: CellRecord) -> CellState:
    """What a finished cell took, and which judge did not pass it."""
    faults = [f"{row.path} on {row.on}: {row.reason}" for row in record.rows if row.verdict is not Verdict.PASSED]
    return replace(
        open_state(cell),
        state="unproven" if faults else "finished",
        reason="; ".join(faults),
        seconds=record.seconds,
        memory_bytes=record.peak_bytes,
    )
