"""Jobs on this machine: no more at once than there is room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from evit_mobile.engines.jobs import Job, Outcome, Surroundings
from evit_mobile.engines.local import LocalEngine, free_bytes
from evit_mobile.progress import silent


def jobs(*sizes: int) -> Iterator[Job]:
    for index, size in enumerate(sizes):
        yield Job(name=str(index), function="", payload={}, memory_bytes=size)


class Watcher:
    """Work that knows how much ran at once."""

    def __init__(self) -> None:
        self.lock, self.running, self.most, self.most_bytes = threading.Lock(), [], 0, 0  # type: ignore[var-annotated]

    def __call__(self, job: Job, _around: Surroundings) -> Outcome:
        with self.lock:
            self.running.append(job.memory_bytes)
            self.most = max(self.most, len(self.running))
            self.most_bytes = max(self.most_bytes, sum(self.running))
        time.sleep(0.02)
        with self.lock:
            self.running.remove(job.memory_bytes)
        return Outcome(result={"name": job.name})


def test_as_many_as_workers_and_memory_allow() -> None:
    work = Watcher()
    engine = LocalEngine(workers=4, memory_bytes=10)
    ended = {job.name: outcome for job, outcome in engine.run(work, jobs(3, 3, 3, 3, 3, 3), silent)}
    assert [ended[str(index)].result for index in range(6)] == [{"name": str(index)} for index in range(6)]
    assert work.most_bytes <= 10
    assert work.most == 3


def test_one_that_is_too_large_runs_alone() -> None:
    work = Watcher()
    assert len(list(LocalEngine(workers=4, memory_bytes=10).run(work, jobs(1, 99, 1), silent))) == 3
    assert work.most_bytes == 99


def test_jobs_are_asked_for_when_there_is_room() -> None:
    asked = 0

    def counted() -> Iterator[Job]:
        nonlocal asked
        for job in jobs(*[1] * 10):
            asked += 1
            yield job

    running = LocalEngine(workers=1, memory_bytes=10).run(Watcher(), counted(), silent)
    next(running)
    assert asked <= 3
    running.close()


def test_what_work_raises_is_raised() -> None:
    def broken(_job: Job, _around: Surroundings) -> Outcome:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(LocalEngine(workers=2).run(broken, jobs(1, 1), silent))


def test_memory_is_known() -> None:
    assert free_bytes() > 1e8
