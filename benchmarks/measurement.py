"""Measuring files side by side: each in a process of its own, one running at a time, in turns.

Why processes: several of these runtimes bring their own OpenMP, thread pools that spin after a run, and different builds of the same
kernels (XNNPACK is in LiteRT, ExecuTorch and torch). In one process they would take cores from each other, ExecuTorch's pool has
one size per process, OpenMP reads its limit once, and a crash would end the run. So each file is loaded by a child that sleeps on
a pipe until it is told to run for a moment; the parent sleeps meanwhile. What is given up is that caches are cold when a turn begins, so
the first runs of a turn are not counted. Turns of all candidates make a round, so paired ratios compare times of the same second or two.

Which clock: on one thread a run's time is the processor time of its process. Where nothing else runs it equals the wall time; where others
take the core meanwhile, their time is not counted, and threads that a runtime keeps beside the one allowed are. On several threads it is
the wall time, which other people's work spoils. Both are recorded.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.candidates import Candidate, Runtime
from benchmarks.engines import Engine, open_engine
from benchmarks.processes import Child, ChildError
from benchmarks.schedule import rounds

WARM_UPS, FEWEST_RUNS = 2, 3
SETTLE_S = 0.02
"""Pause between turns, in which thread pools stop spinning (OpenMP's and ONNX Runtime's do for milliseconds)."""


class Clock(StrEnum):
    """What a time is read from."""

    PROCESSOR = "processor"
    WALL = "wall"


def clock_for(threads: int) -> Clock:
    """See above."""
    return Clock.PROCESSOR if threads == 1 else Clock.WALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One candidate in one round: medians of the wall time and of the processor time of a run."""

    wall_s: float
    cpu_s: float

    def seconds(self, clock: Clock) -> float:
        return self.cpu_s if clock is Clock.PROCESSOR else self.wall_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Turns of a candidate, one for each round, and its logits (N, classes) on the images that were given. `error` if it failed."""

    turns: tuple[Turn, ...] = ()
    logits: NDArray[np.float32] | None = None
    error: str | None = None


def measure(
    files: Sequence[tuple[Candidate, Path]],
    *,
    threads: int,
    judge: bool,
    count: int,
    turn_s: float,
    seed: int,
    log: Path,
) -> dict[str, Measured]:
    """Every candidate's turns in `count` rounds, by its name. With a candidate come the images (.npy, (N, 3, H, W)) that it runs on:
    all of them if it is to be judged, and the last or only one in its turns.

    A candidate that fails to load, to run or to answer is left out of what follows.
    """
    measured: dict[str, Measured] = {}
    turns: dict[str, list[Turn]] = {}
    with ExitStack() as stack:
        children = {}
        for candidate, images in files:
            child = Child(
                serving, candidate.runtime, candidate.path, threads, images, judge, turn_s, threads=threads, log=log
            )
            children[candidate.name] = stack.enter_context(child)
        for name, child in list(children.items()):
            try:
                measured[name], turns[name] = Measured(logits=child.receive()), []
            except ChildError as error:
                measured[name] = Measured(error=str(error))
                del children[name]
        for order in rounds(list(children), count, seed):
            for name in order:
                if name not in children:
                    continue
                time.sleep(SETTLE_S)
                try:
                    turns[name].append(children[name].ask("turn"))
                except ChildError as error:
                    measured[name] = Measured(error=str(error))
                    del children[name]
    for name in children:
        measured[name] = Measured(turns=tuple(turns[name]), logits=measured[name].logits)
    return measured


def serving(
    runtime: Runtime, path: Path, threads: int, images: Path, judge: bool, turn_s: float
) -> Generator[Any, str, None]:
    """In the child: loads a file, answers its logits on the images, then a Turn for each request."""
    engine = open_engine(runtime, path, threads)
    inputs = np.load(images, mmap_mode="r")
    logits = np.stack([infer(engine, image) for image in (inputs if judge else inputs[-1:])])
    yield logits if judge else None
    while True:
        yield take_turn(engine.run, turn_s)


def infer(engine: Engine, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (classes,) of an image (3, H, W)."""
    engine.put(np.array(image, np.float32)[None])
    engine.run()
    return engine.logits().copy()


def take_turn(run: Callable[[], None], turn_s: float) -> Turn:
    """Runs for about `turn_s` seconds, and at least a few times."""
    for _ in range(WARM_UPS):
        run()
    walls: list[float] = []
    processors: list[float] = []
    started = time.perf_counter()
    while len(walls) < FEWEST_RUNS or time.perf_counter() - started < turn_s:
        wall, processor = time.perf_counter(), time.process_time()
        run()
        processors.append(time.process_time() - processor)
        walls.append(time.perf_counter() - wall)
    return Turn(wall_s=statistics.median(walls), cpu_s=statistics.median(processors))
