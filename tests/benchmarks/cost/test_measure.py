"""Both builds run in turns, and what only one of them can do runs there alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cost import measure
from benchmarks.cost.__main__ import possible
from benchmarks.cost.measure import Builds, measured
from benchmarks.cost.tasks import TASKS, Task
from benchmarks.cost.usage import Usage

OURS, THEIRS = Path("ours"), Path("theirs")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Which build ran which command, in order; ours takes half the time and memory."""
    commands: list[tuple[Path, str]] = []

    def used(_self: Builds, build: Path, command: str, _turn: int, _interrupted_s: float = 0) -> Usage:
        commands.append((build, command))
        share = 1 if build == OURS else 2
        return Usage(cpu_s=1.0 * share * len(commands), wall_s=1.0, peak_bytes=share * 100)

    monkeypatch.setattr(Builds, "used", used)
    monkeypatch.setattr(measure, "commit", str)
    return commands


def builds(tmp_path: Path) -> Builds:
    return Builds(ours=OURS, theirs=THEIRS, photos=None, few=None, work=tmp_path, converted=tmp_path)


def test_builds_take_turns(ran: list[tuple[Path, str]], tmp_path: Path) -> None:
    cost = measured(Task(name="x", title="X", command="x", time=0.5), builds(tmp_path), 3)
    assert [build for build, _ in ran] == [OURS, THEIRS, THEIRS, OURS, OURS, THEIRS]
    assert [one.peak_bytes for one in cost.ours] == [100] * 3
    assert cost.memory_ratio is not None
    assert cost.memory_ratio.median == 0.5
    assert (cost.peer, cost.build, cost.time) == ("theirs", "ours", 0.5)


def test_what_the_earlier_build_cannot_do_runs_alone(ran: list[tuple[Path, str]], tmp_path: Path) -> None:
    cost = measured(Task(name="x", title="X", command="x", new=True), builds(tmp_path), 2)
    assert [build for build, _ in ran] == [OURS, OURS]
    assert (cost.theirs, cost.time_ratio) == ((), None)


def test_files_are_written_first_and_by_each_build_its_own(ran: list[tuple[Path, str]], tmp_path: Path) -> None:
    measured(Task(name="x", title="X", command="x {files}"), builds(tmp_path), 1)
    written = ["convert", "profile", "profile"]
    assert [command.split()[0] for _, command in ran] == [*written, *written, "x", "x"]
    assert [build for build, _ in ran] == [*3 * [OURS], *3 * [THEIRS], OURS, THEIRS]


def test_what_a_command_reads_is_written_once(ran: list[tuple[Path, str]], tmp_path: Path) -> None:
    task = Task(name="x", title="X", command="x {sweep}", new=True)
    measured(task, builds(tmp_path), 1)
    ran.clear()
    measured(task, builds(tmp_path), 1)
    assert ran == [(OURS, "x {sweep}")]


def test_tasks_have_names_of_their_own() -> None:
    assert len({task.name for task in TASKS}) == len(TASKS)


def test_what_needs_a_folder_or_a_package_is_measured_where_it_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.cost.tasks.find_spec", lambda _: None)
    assert not {"photos", "b3", "l3", "compile"} & set(possible(None, None))
    assert {"l3", "help"} < set(possible(None, tmp_path))
    monkeypatch.setattr("benchmarks.cost.tasks.find_spec", lambda name: name == "onnxruntime_qnn")
    assert {"photos", "compile"} < set(possible(tmp_path, None))
