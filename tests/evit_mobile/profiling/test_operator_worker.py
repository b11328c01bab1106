"""Operators timed with a stand-in for a runtime, whose times are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evit_mobile.profiling import operator_worker
from evit_mobile.profiling.operator_worker import BLOCK_RUNS, profile


class Model:
    """Takes turns with another of its kind; every profiled run tells two operators, of 5 and 7 units and the number of the run."""

    log: list[str]

    def __init__(self, artefact: str, threads: int, *, profiled: bool, clock: object) -> None:
        self.profiled, self.runs, self.opened = profiled, 0, (artefact, threads, clock)

    def run(self) -> None:
        self.runs += 1
        self.log.append("profiled" if self.profiled else "plain")

    def start(self) -> None:
        assert self.profiled

    def operators(self) -> list[tuple[str, bool, int]]:
        return [("Convolution", True, 5 + self.runs), ("Softmax", False, 7)]


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A runtime of `Model` on a machine with a coarse clock, with the `log` of its runs."""
    monkeypatch.delenv(operator_worker.CLOCK_VARIABLE, raising=False)
    monkeypatch.setattr(Model, "log", [], raising=False)
    return SimpleNamespace(ProfiledModel=Model, log=Model.log)


@pytest.mark.parametrize(("asked", "given"), [(BLOCK_RUNS, BLOCK_RUNS), (BLOCK_RUNS + 1, 2 * BLOCK_RUNS)])
def test_runs_are_whole_blocks_behind_one_that_warms_up(asked: int, given: int, runtime: Any) -> None:
    found = profile(runtime, "a.tflite", 2, asked)
    assert len(found["unprofiled_us"]) == len(found["whole_us"]) == given
    blocks = given // BLOCK_RUNS + 1
    assert runtime.log == (["plain"] * BLOCK_RUNS + ["profiled"] * 2 * BLOCK_RUNS) * blocks


def test_operators_are_those_of_the_second_of_two_profiled_runs(runtime: Any) -> None:
    """The warm-up is 20 profiled runs, of which the 22nd, the 24th... are measured."""
    found = profile(runtime, "a.tflite", 2, BLOCK_RUNS)
    assert found["resolution_us"] == 1
    assert found["operators"] == [
        {"name": "Convolution", "delegated": True, "us": [5.0 + run for run in range(22, 42, 2)]},
        {"name": "Softmax", "delegated": False, "us": [7.0] * BLOCK_RUNS},
    ]


def test_operators_that_change_are_an_error(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "operators", lambda self: [("Softmax", self.runs < 30, 1)])
    with pytest.raises(RuntimeError, match="different operators from one run to the next"):
        profile(runtime, "a.tflite", 1, BLOCK_RUNS)


def printed(tmp_path: Path, source: str) -> Any:
    """What the script prints about a runtime of this source."""
    (tmp_path / "operator_profile.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-I", operator_worker.__file__, tmp_path / "operator_profile.py", "a.tflite", "1", "10"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


QUIET = """
class ProfiledModel:
    def __init__(self, artefact, threads, profiled, clock):
        if threads != 1:
            raise ValueError(artefact)

    def run(self):
        print("native code says something")

    start = run

    def operators(self):
        return [("Softmax", False, 2)]
"""


def test_the_script_prints_one_document_or_an_error(tmp_path: Path) -> None:
    found = printed(tmp_path, QUIET)
    assert found["operators"] == [{"name": "Softmax", "delegated": False, "us": [2.0] * BLOCK_RUNS}]
    assert printed(tmp_path, QUIET.replace("!= 1", "!= 10")) == {"error": "ValueError: a.tflite"}
