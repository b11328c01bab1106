"""Single values as tools write them, and the words for those that cannot be met."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from calib.errors import DataError
from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.values import (
    channel_numbers,
    color_order,
    crop_mode,
    crop_of,
    filter_name,
    filter_number,
    fraction,
    resize_mode,
)


@given(crop=st.integers(1, 1024), margin=st.integers(0, 1024))
def test_every_resize_and_crop_has_a_fraction(crop: int, margin: int) -> None:
    pct = crop_of((crop, crop), (crop + margin, crop + margin))
    assert isinstance(pct, float)
    assert Preprocess(size=(crop, crop), crop_pct=pct).box == (crop + margin, crop + margin)


@pytest.mark.parametrize(("crop", "resized"), [((224, 224), (256, 300)), ((224, 224), (200, 200))])
def test_other_crops_have_none(crop: tuple[int, int], resized: tuple[int, int]) -> None:
    assert isinstance(crop_of(crop, resized), DataError)


@pytest.mark.parametrize("expected", Interpolation)
def test_filter_numbers_are_pillow_s(expected: Interpolation) -> None:
    number = Image.Resampling[expected.name]
    assert filter_number(int(number)) is expected
    assert filter_number(number.name) is filter_name(number.name.title()) is expected


@pytest.mark.parametrize(
    ("read", "value", "said", "option"),
    [
        (filter_number, 6, "resample 6", "--interpolation"),
        (filter_number, True, "interpolation True", "--interpolation"),
        (filter_name, "area", "interpolation 'area'", "--interpolation"),
        (fraction, 0, "crop_pct 0", "--crop-pct"),
        (fraction, 1.25, "crop_pct 1.25, which pads", "--crop-pct"),
        (fraction, "0.9", "crop_pct 0.9", "--crop-pct"),
        (fraction, True, "crop_pct True", "--crop-pct"),
        (crop_mode, "border", "crop_mode 'border'", "--squash or --cover"),
        (resize_mode, "pad", "resize 'pad'", "--squash or --cover"),
        (color_order, "GBR", "colour order GBR", "--color"),
    ],
)
def test_what_cannot_be_met_names_the_option(read: Callable[[Any], Any], value: object, said: str, option: str) -> None:
    error = read(value)
    assert isinstance(error, DataError)
    assert error.got == said
    assert f"pass {option} with" in error.do


def test_words_and_fractions_that_can_be_met() -> None:
    assert (crop_mode("center"), crop_mode("squash")) == (Resize.COVER, Resize.SQUASH)
    assert (resize_mode("cover"), resize_mode("squash")) == (Resize.COVER, Resize.SQUASH)
    assert (color_order("rgb"), color_order("Bgr")) == ("RGB", "BGR")
    assert (fraction(1), fraction(0.875)) == (1.0, 0.875)


def test_means_of_arrays_of_four_channels_and_of_one_number() -> None:
    assert channel_numbers("mean", np.array([0.25, 0.5, 0.75]), broadcast=False) == (0.25, 0.5, 0.75)
    assert channel_numbers("std", [1, 1, 1, 2], broadcast=False) == (1.0, 1.0, 1.0, 2.0)
    assert channel_numbers("mean", 0.5, broadcast=True) == (0.5, 0.5, 0.5)
    assert channel_numbers("std", [3.0] * 3, broadcast=False) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("mean", 0.5, "mean 0.5; allowed: three numbers"),
        ("mean", [0.5, 0.5, float("inf")], "three numbers"),
        ("mean", "abc", "mean abc"),
        ("mean", [1.01, 0, 0], "0..255 scale"),
        ("std", [0.5, 0.5, 0], "positive numbers"),
        ("std", [0.5, 0.5, -1], "positive numbers"),
        ("std", [3.01, 1, 1], "0..255 scale"),
    ],
)
def test_means_that_no_preprocessing_has(field: str, value: object, said: str) -> None:
    error = channel_numbers(field, value, broadcast=False)
    assert isinstance(error, DataError)
    assert said in str(error)
    assert f"pass --{field} with" in error.do


def test_a_crop_by_hand() -> None:
    assert crop_of((224, 224), (256, 256)) == 0.875
    assert crop_of((1, 1), (1, 1)) == 1.0
    assert "a crop of 224x224 out of 256x300" in str(crop_of((224, 224), (256, 300)))
