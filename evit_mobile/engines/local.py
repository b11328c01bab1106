"""Jobs as processes on this machine, as many at once as processors and memory allow."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from evit_mobile.engines.children import Children
from evit_mobile.engines.jobs import Job, Outcome, Surroundings, Work
from evit_mobile.progress import Report

MEMORY_SHARE = 0.9
"""Of the memory that is free when an engine is made."""


class LocalEngine:
    """At most `workers` jobs at once, which together take at most `memory_bytes`; one that alone takes more runs alone."""

    def __init__(self, *, workers: int | None = None, memory_bytes: int | None = None) -> None:
        self.workers = processors() if workers is None else workers
        self.memory_bytes = int(MEMORY_SHARE * free_bytes()) if memory_bytes is None else memory_bytes

    def run(self, work: Work, jobs: Iterable[Job], report: Report) -> Generator[tuple[Job, Outcome], None, None]:
        """As `Engine` says."""
        around = Surroundings(report=report, children=Children())
        running: dict[Future[Outcome], Job] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for job in jobs:
                    while running and not self._has_room(job, running.values()):
                        yield from ended(running)
                    running[pool.submit(work, job, around)] = job
                while running:
                    yield from ended(running)
            finally:
                around.children.end()

    def _has_room(self, job: Job, running: Iterable[Job]) -> bool:
        taken = [one.memory_bytes for one in running]
        return len(taken) < self.workers and sum(taken) + job.memory_bytes <= self.memory_bytes


def ended(running: dict[Future[Outcome], Job]) -> Iterator[tuple[Job, Outcome]]:
    """Waits for a job to end; takes those that have out of `running`."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), future.result()


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> int:
    """Memory that processes can still take; all there is where the system does not tell."""
    facts = Path("/proc/meminfo")
    if facts.exists():
        lines = dict(line.split(":", 1) for line in facts.read_text().splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
