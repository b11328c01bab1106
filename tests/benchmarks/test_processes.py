from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.processes import Child, ChildError, answer


def doubling(start: int) -> Generator[object, int, None]:
    """Answers twice what it is asked; fails on 0 and dies on negative numbers."""
    print("noise")
    reply: object = (start, os.environ["OMP_NUM_THREADS"])
    while True:
        request = yield reply
        if request < 0:
            os.abort()
        reply = 2 * request if request else 1 // request


def test_a_child_answers_and_failures_are_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Child(doubling, 7, threads=3, log=log) as child:
        assert child.receive() == (7, "3")
        assert child.ask(21) == 42
        with pytest.raises(ChildError, match="ZeroDivisionError"):
            child.ask(0)
    assert "noise" in log.read_text()
    with Child(doubling, 7, threads=1, log=log) as child:
        child.receive()
        with pytest.raises(ChildError, match="exit code -6"):
            child.ask(-1)


def test_one_answer_of_a_function(tmp_path: Path) -> None:
    assert answer(abs, -3, log=tmp_path / "log") == 3
