"""Timing in ExecuTorch: the inputs that a file takes, the same every time."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from converters.executorch import session
from tests.converters.executorch.executorch_helpers import write


def meta(dtype: int, *sizes: int) -> SimpleNamespace:
    """What the runtime says of an input; numbers of types are PyTorch's: 0 for uint8, 6 for float32."""
    return SimpleNamespace(sizes=lambda: sizes, dtype=lambda: dtype)


def test_numbers_for_tensors_and_pixels_for_images() -> None:
    numbers, pixels = session.random_input(meta(6, 1, 3, 8, 8)), session.random_input(meta(0, 1, 32, 32, 3))
    assert (numbers.dtype, numbers.shape) == (torch.float32, (1, 3, 8, 8))
    assert float(numbers.min()) < -1
    assert (pixels.dtype, pixels.shape) == (torch.uint8, (1, 32, 32, 3))
    assert (int(pixels.min()), int(pixels.max())) == (0, 255)
    assert torch.equal(numbers, session.random_input(meta(6, 1, 3, 8, 8)))


def test_a_file_runs(small: bytes, tmp_path: Path) -> None:
    running = session.Session(str(write(tmp_path, small)), threads=1)
    (given,) = running._inputs
    assert given.shape == (1, 3, 8, 8)
    running.run()


def test_a_file_that_is_none_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        session.Session(str(write(tmp_path, bytes(200))), threads=1)


def test_the_runtime_says_its_version() -> None:
    assert session.describe() == {"name": "ExecuTorch with XNNPACK", "version": version("executorch")}
