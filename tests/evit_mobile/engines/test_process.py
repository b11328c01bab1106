"""A job in a process of its own: every way that it ends is an outcome."""

from __future__ import annotations

import io
import os
import sys

import pytest

from evit_mobile.engines.children import Children, EndedError
from evit_mobile.engines.jobs import Job, Outcome, Surroundings
from evit_mobile.engines.process import LOG_BYTES, environment, in_child, last_words, outcome


def around(children: Children | None = None) -> tuple[Surroundings, list[str]]:
    lines: list[str] = []
    return Surroundings(report=lines.append, children=children or Children()), lines


def job(function: str) -> Job:
    return Job(name="a job", function=f"tests.evit_mobile.engines.fakes:{function}", payload={"value": 4})


def test_its_result_progress_and_log_come_back() -> None:
    surroundings, lines = around()
    found = in_child(job("doubled"), surroundings)
    assert found.result == {"value": 8, "threads": 1, "nan": None, "pair": [1, 2]}
    assert lines == ["a job: half way"]
    assert sorted(found.log.splitlines()) == ["half way", "nor this", "to nobody"]
    assert found.seconds > 0
    assert found.peak_bytes > 10**6


def test_a_process_that_leaves_without_an_answer_is_an_outcome() -> None:
    """Its progress is no answer."""
    found = in_child(job("leaving"), around()[0])
    assert (found.result, found.reason, found.exit_code) == (None, "its process ended with exit code 7", 3)
    assert "about to leave" in found.log


def test_an_engine_that_was_ended_has_no_outcome() -> None:
    children = Children()
    children.end()
    with pytest.raises(EndedError):
        in_child(job("doubled"), around(children)[0])


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        ({"result": {}, "peak_bytes": 5}, 0, Outcome(result={}, peak_bytes=5, seconds=1.5, log="log")),
        ({"result": {"a": 1}}, -9, Outcome(result={"a": 1}, seconds=1.5, log="log")),  # killed after its last word
        (
            {"failure": {"reason": "r", "exit_code": 2, "full_disk": True}, "peak_bytes": 5},
            0,
            Outcome(reason="r", exit_code=2, full_disk=True, peak_bytes=5, seconds=1.5, log="log"),
        ),
        (
            {},
            -9,
            Outcome(
                reason="its process was killed by signal 9, as the system does when memory runs out",
                exit_code=3,
                seconds=1.5,
                log="log",
            ),
        ),
        ({}, -11, Outcome(reason="its process was killed by signal 11", exit_code=3, seconds=1.5, log="log")),
        ({}, 0, Outcome(reason="its process ended with exit code 0", exit_code=3, seconds=1.5, log="log")),
    ],
)
def test_what_an_answer_or_none_says(answer: dict[str, object], code: int, expected: Outcome) -> None:
    assert outcome(answer, code, 1.5, "log") == expected


def test_of_a_log_the_end_is_kept() -> None:
    assert last_words(io.BytesIO(b"")) == ""
    assert last_words(io.BytesIO(b"short")) == "short"
    long = b"x" * LOG_BYTES + b"the end"
    assert last_words(io.BytesIO(long)) == long[-LOG_BYTES:].decode()
    cut = "\u00fc".encode() * LOG_BYTES + b"!"  # the middle of a letter comes first
    assert last_words(io.BytesIO(cut)) == "\ufffd" + "\u00fc" * (LOG_BYTES // 2 - 1) + "!"


def test_the_process_finds_the_modules_that_are_imported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/one", "/two"])
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    found = environment()
    assert (found["PYTHONPATH"], found["OMP_NUM_THREADS"]) == (f"/one{os.pathsep}/two", "1")
    assert found.keys() >= os.environ.keys() - {"PYTHONPATH"}
