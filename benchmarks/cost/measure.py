"""Measuring: both builds run the same command in turns, each with caches of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.cost.evaluator import evaluator_turns
from benchmarks.cost.first_result import FIRST_RESULTS, GOAL, FirstResult, first_result_turns
from benchmarks.cost.results import Cost
from benchmarks.cost.tasks import PREPARED, TASKS, Task
from benchmarks.cost.usage import Usage, used_by
from benchmarks.machine import this_machine
from benchmarks.processes import answer
from benchmarks.results import to_json

EVALUATED = {"efficientvit_m0": 1.0, "efficientvit_b0": 1.5}
"""Models whose Core ML package the evaluator runs in int8, and the goals: at most this multiple of PyTorch's time."""

PLAN = Path(__file__).with_name("plan.yaml")
MAIN = "import sys; from evit_mobile.cli import main; sys.argv[0] = 'evit-mobile'; main()"
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """Two checkouts, whose packages are imported from there with this interpreter, and a folder for what they write. `converted` holds
    the files that `python -m benchmarks` wrote.
    """

    ours: Path
    theirs: Path
    photos: Path | None
    few: Path | None
    work: Path
    converted: Path

    def used(self, build: Path, command: str, turn: int, interrupted_s: float = 0) -> Usage:
        """What the command takes of `build`; `interrupted_s` as in `Task`. Raises CommandError."""
        folder = self.work / commit(build)
        folder.mkdir(parents=True, exist_ok=True)
        out = folder / f"out{turn}"
        out.mkdir(exist_ok=True)
        paths = {
            "files": folder / "files",
            "sweep": folder / "sweep",
            "plan": PLAN,
            "out": out,
            "photos": self.photos,
            "few": self.few,
        }
        words = command.format(**paths).split()
        environment = {"PYTHONPATH": str(build), "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        command_line = [sys.executable, "-c", MAIN, *words]
        usage = used_by(command_line, environment, folder, folder / "log.txt", interrupted_s=interrupted_s)
        shutil.rmtree(out, ignore_errors=True)
        return usage

    def prepare(self, build: Path, command: str) -> None:
        """Writes the folders that the command reads, unless they are there, whole."""
        for read, commands in PREPARED.items():
            ready = self.work / commit(build) / f"{read.strip('{}')}.ready"
            if read in command and not ready.exists():
                for one in commands:
                    self.used(build, one, 0)
                ready.parent.mkdir(parents=True, exist_ok=True)
                ready.touch()


def measure_all(builds: Builds, chosen: Iterable[str], rounds: int, results: Path, report: Report) -> None:
    """Measures what is chosen and writes a result file for each."""
    results.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        report(f"{name}: measuring")
        cost = measured_by_name(name, builds, rounds)
        (results / f"{name}.json").write_text(json.dumps(to_json(cost), indent=1) + "\n")


def measured_by_name(name: str, builds: Builds, rounds: int) -> Cost:
    if name in EVALUATED:
        return measured_evaluator(name, builds, rounds)
    if name in FIRST_RESULTS:
        return measured_first_result(FIRST_RESULTS[name], builds, rounds)
    return measured(next(task for task in TASKS if task.name == name), builds, rounds)


def measured(task: Task, builds: Builds, rounds: int) -> Cost:
    """Both builds in turns, ours first in every other one."""
    sides = {builds.ours: list[Usage](), **({} if task.new else {builds.theirs: list[Usage]()})}
    date, machine = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), this_machine()
    for build in sides:
        builds.prepare(build, task.command)
    for turn in range(rounds):
        for build in list(sides)[:: -1 if turn % 2 else 1]:
            sides[build].append(builds.used(build, task.command, turn, task.interrupted_s))
    return Cost(
        name=task.name,
        title=task.title,
        peer=commit(builds.theirs),
        build=commit(builds.ours),
        date=date,
        machine=machine,
        ours=tuple(sides[builds.ours]),
        theirs=tuple(sides.get(builds.theirs, ())),
        time=task.time,
        memory=task.memory,
    )


def measured_evaluator(model: str, builds: Builds, rounds: int) -> Cost:
    """The evaluator beside PyTorch; the package is written by our build."""
    folder = builds.work / commit(builds.ours) / model
    title = f"Core ML evaluator, {model} int8, 16 images"
    asked = partial(answer, evaluator_turns, model, rounds, folder, log=builds.work / "evaluator.log")
    return measured_beside("eager PyTorch", model, title, builds, asked, EVALUATED[model])


def measured_first_result(first: FirstResult, builds: Builds, rounds: int) -> Cost:
    """Our file beside the stock fp32 file of its runtime."""
    files = first.ours(builds.converted), first.stock(builds.converted)
    asked = partial(answer, first_result_turns, first.runtime, *files, rounds, log=builds.work / "first.log")
    return measured_beside("stock fp32", first.name, first.title, builds, asked, GOAL)


def measured_beside(
    peer: str,
    name: str,
    title: str,
    builds: Builds,
    turns: Callable[[], tuple[tuple[Usage, ...], tuple[Usage, ...]]],
    goal: float,
) -> Cost:
    """Something of our build beside a peer that is no build: `turns` gives what both took, `goal` is the ratio of times."""
    date, machine = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), this_machine()
    ours, theirs = turns()
    return Cost(
        name=name,
        title=title,
        peer=peer,
        build=commit(builds.ours),
        date=date,
        machine=machine,
        ours=ours,
        theirs=theirs,
        time=goal,
    )


def commit(build: Path) -> str:
    """Seven digits of the commit that a checkout is at."""
    command = ["git", "-C", str(build), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
