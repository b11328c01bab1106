"""A worker process that answers, and workers that fail: what is said of them, and that none is left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evit_mobile.errors import DeviceError
from evit_mobile.profiling import channel
from evit_mobile.profiling.channel import Worker, describe_exit


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("import sys; print('the reason', file=sys.stderr); sys.exit(4)", r"exit code 4.*the reason"),
        ("print('no json')", "not JSON"),
        ("import time; time.sleep(60)", "no answer in time"),
    ],
)
def test_workers_that_fail(body: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Worker([sys.executable, "-c", body], "here")
    with pytest.raises(DeviceError, match=message):
        failing.ask("load", timeout_s=2.0)
    monkeypatch.setattr(channel, "END_TIMEOUT_S", 0.05)  # the one that sleeps does not end by itself
    failing.close()


ECHO = """
import json, os, sys
for number, line in enumerate(sys.stdin):
    answers = [json.dumps({"asked": line.strip(), "number": number, "pid": os.getpid()})]
    if line.startswith("twice"):
        answers.append(json.dumps({"asked": "the second half"}))
    sys.stdout.write("".join(answer + chr(10) for answer in answers))
    sys.stdout.flush()
"""
"""Answers every line, a line that begins with "twice" with two answers at once."""


def test_answers_come_in_the_order_of_the_questions() -> None:
    worker = Worker([sys.executable, "-c", ECHO], "here")
    assert worker.ask("run 5") | {"pid": 0} == {"asked": "run 5", "number": 0, "pid": 0}
    assert worker.ask("twice")["number"] == 1
    assert worker.ask("facts")["asked"] == "the second half"
    worker.close()


def test_a_closed_worker_has_ended() -> None:
    worker = Worker([sys.executable, "-c", ECHO], "here")
    pid = worker.ask("load")["pid"]
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_does_not_end_by_itself_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(channel, "END_TIMEOUT_S", 0.05)
    worker = Worker(["sh", "-c", f"echo $$ > {tmp_path}/pid; echo '{{}}'; exec sleep 60"], "here")
    worker.ask("load")
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_error_is_told_with_the_place_and_the_last_lines_of_the_log() -> None:
    body = """import json, sys
print("one", "two", "three", "four", sep=chr(10), file=sys.stderr, flush=True)
sys.stdin.readline()
print(json.dumps({"error": "ValueError: no such operator"}), flush=True)
"""
    worker = Worker([sys.executable, "-c", body], "m0.tflite on this machine")
    with pytest.raises(DeviceError) as raised:
        worker.ask("load")
    worker.close()
    assert raised.value.got == "m0.tflite on this machine: ValueError: no such operator (two; three; four)"
    assert raised.value.do == "check that the artefact runs there: evit-mobile validate"


@pytest.mark.parametrize(("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-11, "killed by signal 11")])
def test_how_a_process_ended_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
