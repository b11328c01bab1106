"""An interpreter in a process of its own: its answers, its log, and why it ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import ArtefactError, ToolchainError
from converters.tflite.child import Child, ChildInterpreter


class Host:
    """Describes one int8 input and output of three values."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"shape": [1, 3], "dtype": np.int8}]

    get_output_details = get_input_details


def child(script: str) -> Child:
    return Child(command=["sh", "-c", script], environment={}, words="elsewhere", do="look there")


def test_a_child_answers_for_the_interpreter(tmp_path: Path) -> None:
    """`cat` in its place: every input is its answer, until it ends."""
    interpreter = ChildInterpreter(tmp_path / "m.tflite", Host(), child("cat"))
    for values in ([[1, 2, 3]], [[-4, 5, 6]]):
        interpreter.set_tensor(0, np.array(values, np.int8))
        interpreter.invoke()
        assert interpreter.get_tensor(0).tolist() == values
    for script, error, said in (
        ("echo why >&2; exit 7", ToolchainError, "exit code 7 .why."),
        (f"echo why >&2; exit {os.EX_DATAERR}", ArtefactError, "refused elsewhere: why"),
    ):
        ended = ChildInterpreter(tmp_path / "m.tflite", Host(), child(script))
        ended.set_tensor(0, np.zeros((1, 3), np.int8))
        with pytest.raises(error, match=said):
            ended.invoke()


def test_the_model_is_its_last_word_and_the_environment_is_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT", "kept")
    told = Child(
        command=["sh", "-c", 'echo "$0 $KEPT $JOINED" >&2; cat'], environment={"JOINED": "joined"}, words="", do=""
    )
    interpreter = ChildInterpreter(tmp_path / "m.tflite", Host(), told)
    interpreter.set_tensor(0, np.zeros((1, 3), np.int8))
    interpreter.invoke()
    assert interpreter.log() == [f"{tmp_path / 'm.tflite'} kept joined"]
    assert interpreter.get_input_details() == interpreter.get_output_details() == Host().get_input_details()


def test_half_an_answer_is_none_and_its_last_words_are_told(tmp_path: Path) -> None:
    script = "for word in 'INFO: a delegate' first second third; do echo $word >&2; done; printf ab; exit 5"
    interpreter = ChildInterpreter(tmp_path / "m.tflite", Host(), child(script))
    interpreter.set_tensor(0, np.zeros((1, 3), np.int8))
    with pytest.raises(
        ToolchainError, match=r"no answer from m\.tflite elsewhere, exit code 5 \(second third\)"
    ) as caught:
        interpreter.invoke()
    assert caught.value.do == "look there"


def test_a_process_that_says_nothing_is_not_quoted(tmp_path: Path) -> None:
    interpreter = ChildInterpreter(tmp_path / "m.tflite", Host(), child("echo INFO: a delegate >&2; exit 3"))
    interpreter.set_tensor(0, np.zeros((1, 3), np.int8))
    with pytest.raises(ToolchainError, match="exit code 3;"):
        interpreter.invoke()
