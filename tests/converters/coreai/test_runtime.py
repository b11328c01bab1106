"""A runner of an asset, with a package in the place of Apple's: batches, sizes, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.contract import Runner
from converters.coreai import runtime
from converters.errors import ArtefactError, ToolchainError
from converters.interface import Normalization
from tests.converters.coreai.stand_in import asset_of

FUNCTIONS = {"size_2x2": [[1, 3, 2, 2], 2], "size_4x2": [[1, 3, 4, 2], 10]}


@pytest.fixture(scope="module")
def run(stand_in: None, tmp_path_factory: pytest.TempPathFactory) -> Runner:  # noqa: ARG001  # it is there first
    return runtime.load(asset_of(tmp_path_factory.mktemp("assets") / "a.aimodel", functions=FUNCTIONS))


def test_a_batch_is_run_image_by_image(run: Runner) -> None:
    images = np.arange(24, dtype=np.float64).reshape(2, 3, 2, 2)
    found = run(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, images.mean((2, 3)) * 2)


def test_the_function_of_the_images_size_is_run(run: Runner) -> None:
    assert run(np.ones((1, 3, 2, 2), np.float32)).tolist() == [[2, 2, 2]]
    assert run(np.ones((1, 3, 4, 2), np.float32)).tolist() == [[10, 10, 10]]
    with pytest.raises(ArtefactError, match=r"images of 2x4 pixels; allowed: images of 2x2, 4x2"):
        run(np.ones((1, 3, 2, 4), np.float32))


@pytest.mark.usefixtures("stand_in")
def test_functions_called_by_another_size_are_refused(tmp_path: Path) -> None:
    swapped = dict(zip(FUNCTIONS, [*FUNCTIONS.values()][::-1], strict=True))
    with pytest.raises(
        ArtefactError, match=r"a function size_2x2 for images of 4x2 pixels.*allowed: the name size_4x2"
    ):
        runtime.load(asset_of(tmp_path / "a.aimodel", functions=swapped))


@pytest.mark.usefixtures("stand_in")
def test_what_normalises_is_given_the_pixels_of_preprocessed_images(tmp_path: Path) -> None:
    normalization = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 1.0))
    functions = {"main": [[1, 9, 9, 3], None], "pixels_main": [[1, 2, 4, 3], 1]}
    run = runtime.load(asset_of(tmp_path / "a.aimodel", own=normalization.to_metadata(), functions=functions))
    pixels = np.arange(48, dtype=np.uint8).reshape(2, 3, 2, 4)
    mean, std = (np.array(values)[:, None, None] for values in (normalization.mean, normalization.std))
    for images in (((pixels / 255 - mean) / std).astype(np.float32), pixels):
        np.testing.assert_allclose(run(images), pixels.transpose(0, 2, 3, 1).mean((2, 3)))
    with pytest.raises(ArtefactError, match="images of 4x2 pixels; allowed: images of 2x4"):
        run(np.zeros((1, 3, 4, 2), np.float32))


@pytest.mark.usefixtures("stand_in")
def test_a_program_that_cannot_be_loaded_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"a\.aimodel, on which Core AI gives up \(RuntimeError: no such op\)"):
        runtime.load(asset_of(tmp_path / "a.aimodel", error="no such op"))


@pytest.mark.usefixtures("stand_in")
def test_one_that_fails_as_it_runs_is_a_failure_of_the_toolchain(tmp_path: Path) -> None:
    run = runtime.load(asset_of(tmp_path / "b.aimodel", functions={"main": [[1, 3, 2, 2], None]}))
    with pytest.raises(ToolchainError, match=r"a failure of Core AI on .*b\.aimodel: ValueError: no memory"):
        run(np.ones((1, 3, 2, 2), np.float32))
