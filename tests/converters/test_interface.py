"""Pixels from preprocessed images: what a file that normalises by itself is given."""

from __future__ import annotations

import numpy as np
import pytest

from calib.preprocess import Preprocess
from converters.errors import ArtefactError
from converters.interface import TENSORS, Choices, Normalization, function_name, pixels

PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
NORMALIZATIONS = [
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    PLAIN,
    ((-3.0, 0.0, 7.0), (0.001, 30.0, 1.0)),
]


@pytest.mark.parametrize(("mean", "std"), NORMALIZATIONS)
def test_every_pixel_of_every_normalization_comes_back(
    mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    normalized = Preprocess(size=(16, 16), mean=mean, std=std).normalize(image)[None]
    found = pixels(normalized, Normalization(mean=mean, std=std))
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0), image)


@pytest.mark.parametrize("value", [0.5 / 255, -1 / 255, 256 / 255, np.nan])
def test_what_no_image_gives_is_refused(value: float) -> None:
    with pytest.raises(ArtefactError, match="8-bit"):
        pixels(np.full((1, 3, 2, 2), value, np.float32), Normalization(mean=PLAIN[0], std=PLAIN[1]))


def test_a_normalization_survives_the_metadata() -> None:
    given = Normalization(mean=(0.1, 1 / 3, -0.4), std=(0.2, 2 / 7, 1e-3))
    assert Normalization.from_metadata(given.to_metadata()) == given


@pytest.mark.parametrize(
    "written", [{}, {"mean": "[0, 0, 0]"}, {"mean": "[0, 0]", "std": "[1, 1]"}, {"mean": "x", "std": "[]"}]
)
def test_a_normalization_that_is_not_there_is_an_error(written: dict[str, str]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Normalization.from_metadata(written)


def test_8_bit_images_are_pixels_already() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    assert pixels(images, Normalization(mean=PLAIN[0], std=PLAIN[1])) is images


def test_float32_rounding_is_forgiven_and_a_hundredth_of_a_pixel_is_not() -> None:
    plain = Normalization(mean=PLAIN[0], std=PLAIN[1])
    exact = np.full((1, 3, 2, 2), 200, np.float32)
    assert (pixels((exact + 0.009) / 255, plain) == 200).all()
    with pytest.raises(ArtefactError):
        pixels((exact + 0.011) / 255, plain)


def test_a_size_s_function_is_called_by_height_and_width() -> None:
    assert function_name(192, 256) == "size_192x256"


def test_a_tensor_in_and_scores_out_is_usual() -> None:
    assert (TENSORS.pixels, TENSORS.classes) == (None, False)
    assert Choices().interface is TENSORS
