"""Running a file: any number of images of its own shape, and what the runtime says when it refuses."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from converters.errors import ArtefactError
from converters.executorch.target import ExecuTorchTarget
from converters.interface import Normalization
from tests.converters.executorch.executorch_helpers import content, run
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lazily import Lazily
from tests.lowering_helpers import export, relative_error

containers = Lazily("converters.executorch.container")
runtimes = Lazily("converters.executorch.runtime")

TARGET = ExecuTorchTarget()


def constant_range(file: bytes) -> tuple[int, int]:
    """Where the largest constant lies."""
    return max(containers.open_container(file).constant_ranges.values(), key=lambda span: span[1] - span[0])


def test_the_runner_takes_any_number_of_images() -> None:
    torch.manual_seed(0)
    model = Small()
    file = content(export(model, torch.randn(2, *IMAGE[1:])))
    images = torch.randn(5, *IMAGE[1:])
    assert relative_error(run(file, images), model(images)) < 1e-5


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3, 8, 9), (0, 3, 8, 8), (1, 8, 8, 3)])
def test_the_runner_refuses_other_shapes(small: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        run(small, torch.zeros(shape))


def test_flipped_weights_change_the_output(small: bytes) -> None:
    x = torch.randn(IMAGE)
    start, end = constant_range(small)
    flipped = bytearray(small)
    for position in range(start + 3, end, 4):  # the exponents of the float weights
        flipped[position] ^= 0x40
    assert not np.allclose(run(bytes(flipped), x), run(small, x))


def test_other_outputs_are_a_fault() -> None:
    off = np.zeros((3, 2), np.float32)
    on = off.copy()
    on[1, 0] = -0.0
    assert runtimes.difference(off, off) is None
    assert runtimes.difference(off, on) == "the weight cache changes the outputs of 1 of 3 images"


def test_a_file_that_normalises_is_given_the_pixels_last_and_whole() -> None:
    normalization = Normalization(mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    pixels = np.arange(18, dtype=np.uint8).reshape(1, 2, 3, 3)
    images = ((pixels / 255 - normalization.mean) / normalization.std).astype(np.float32).transpose(0, 3, 1, 2)
    found = runtimes.given(normalization, images)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, pixels)
    assert runtimes.given(None, images) is images


def test_what_the_runtime_said_is_part_of_its_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        os.write(2, b"[cpuinfo_utils.cpp:71] Reading file\n[method.cpp:12] Missing operator: foo\n")
        raise RuntimeError("failed with error 0x14")

    with pytest.raises(
        ArtefactError, match=r"refuses \(failed with error 0x14; \[method\.cpp:12\] Missing operator: foo\)"
    ):
        runtimes._loaded(refuse)
    assert capfd.readouterr().err == ""


def test_what_the_runtime_says_otherwise_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert runtimes._loaded(lambda: os.write(2, b"[method.cpp:12] slow\n")) == 21
    assert capfd.readouterr().err == "[method.cpp:12] slow\n"
