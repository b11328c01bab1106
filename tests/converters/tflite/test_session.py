"""One session for timing: the same input every time, of the file's own type, and what the runtime is called."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.contract import Artefact
from converters.tflite.session import Session, describe
from tests.converters.tflite.tflite_helpers import written
from tests.interface_models import IMAGES


def input_of(session: Session) -> np.ndarray:
    interpreter: Any = session._interpreter
    (detail,) = interpreter.get_input_details()
    values: np.ndarray = interpreter.get_tensor(detail["index"])
    return values


def test_its_input_is_normal_numbers_and_the_same_every_time(artefact: Artefact) -> None:
    first, second = (Session(str(artefact.path), 1) for _ in range(2))
    values = input_of(first)
    np.testing.assert_array_equal(values, input_of(second))
    assert (values.shape, values.dtype) == ((1, 16, 16, 3), np.float32)
    assert abs(values.mean()) < 0.2
    assert 0.8 < values.std() < 1.2


def test_a_file_that_takes_an_image_gets_pixels(tmp_path: Path) -> None:
    values = input_of(Session(str(written(tmp_path, IMAGES)), 1))
    assert values.dtype == np.uint8
    assert (values.min(), values.max()) < (10, 256)
    assert values.max() > 245


def test_a_run_computes(artefact: Artefact) -> None:
    session = Session(str(artefact.path), 1)
    (detail,) = session._interpreter.get_output_details()
    session.run()
    assert np.abs(session._interpreter.get_tensor(detail["index"])).max() > 0


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.tflite"):
        Session(str(tmp_path / "none.tflite"), 1)


def test_the_runtime_has_its_name_and_version() -> None:
    assert describe() == {"name": "LiteRT with XNNPACK", "version": version("ai-edge-litert")}
