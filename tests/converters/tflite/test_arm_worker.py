"""The process that runs a file for a parent: every input is answered in the file's own size and type."""

from __future__ import annotations

import io
import os
from types import SimpleNamespace

import numpy as np
import pytest

from converters.contract import Artefact
from converters.tflite import arm_worker
from converters.tflite.runtime import load_runner
from tests.converters.tflite.small import IMAGE


def answers(model: str, requests: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What the worker writes for these bytes on its stdin."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(requests)))
    read, write = os.pipe()
    with os.fdopen(read, "rb") as results:
        arm_worker.serve(model, write)
        return results.read()


def test_inputs_are_answered_in_their_order(artefact: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).standard_normal((3, *IMAGE[1:]), np.float32)
    given = answers(str(artefact.path), images.transpose(0, 2, 3, 1).tobytes(), monkeypatch)
    expected = load_runner(artefact.path)(images)
    np.testing.assert_array_equal(np.frombuffer(given, np.float32).reshape(3, -1), expected)


def test_without_an_input_there_is_no_answer(artefact: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(str(artefact.path), b"", monkeypatch) == b""


def test_half_an_input_ends_the_process(artefact: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="cannot reshape"):
        answers(str(artefact.path), b"\0" * 8, monkeypatch)
