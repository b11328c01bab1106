"""Preprocess: the documented sizes, offsets and rounding, against independent formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from calib.errors import DataError
from calib.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocess, Resize
from calib.sources.bundled import bundled_preprocess

SIDES = st.integers(1, 700)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(height=SIDES, width=SIDES, crop_pct=st.sampled_from([0.875, 0.95, 1.0]))
def test_square_cover_sizes_are_torchvisions(height: int, width: int, crop_pct: float) -> None:
    box = int(224 / crop_pct)
    short, long = sorted((height, width))
    expected = int(box * long / short)  # torchvision.transforms.functional._compute_resized_output_size
    resized = Preprocess(size=(224, 224), crop_pct=crop_pct).resized(height, width)
    assert resized == ((box, expected) if height <= width else (expected, box))


@given(height=SIDES, width=SIDES, rows=st.integers(1, 20), columns=st.integers(1, 20))
def test_cover_covers_the_box_and_touches_it(height: int, width: int, rows: int, columns: int) -> None:
    size = (32 * rows, 32 * columns)
    resized = Preprocess(size=size).resized(height, width)
    assert resized[0] >= size[0]
    assert resized[1] >= size[1]
    assert resized[0] == size[0] or resized[1] == size[1]


@pytest.mark.parametrize(("crop_pct", "side"), [(0.875, 256), (0.95, 235), (1.0, 224)])
def test_box_is_timms(crop_pct: float, side: int) -> None:
    assert Preprocess(size=(224, 224), crop_pct=crop_pct).box == (side, side)


def test_all_steps_against_a_plain_recipe() -> None:
    pixels = noise(61, 93, 3)
    preprocess = Preprocess(size=(32, 32), crop_pct=0.85)
    assert preprocess.resized(61, 93) == (37, 56)  # floor(32 / 0.85), floor(37 * 93 / 61)
    resized = Image.fromarray(pixels).resize((56, 37), Image.Resampling.BICUBIC)
    top, left = round((37 - 32) / 2), round((56 - 32) / 2)
    assert (top, left) == (2, 12)  # 2.5 goes to the even number
    cropped = np.asarray(resized)[top : top + 32, left : left + 32].astype(np.float64)
    expected = ((cropped / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)).astype(np.float32)
    result = preprocess(pixels)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected.transpose(2, 0, 1))


def test_squash_ignores_the_aspect_ratio() -> None:
    pixels = noise(20, 50)
    preprocess = Preprocess(size=(32, 64), resize=Resize.SQUASH, interpolation=Interpolation.NEAREST)
    expected = np.asarray(Image.fromarray(pixels).resize((64, 32), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(preprocess.pixels(pixels), expected)


def test_bundled_preprocess_is_what_the_checkpoints_were_trained_with() -> None:
    """The trainer interpolates in float; Pillow rounds to 8 bits once per axis: at most one step of 1/255 apart."""
    pixels = noise(28, 28)
    trained = F.interpolate(torch.tensor(pixels)[None, None] / 255, size=(224, 224), mode="bilinear")
    ours = bundled_preprocess().pixels(pixels)
    assert np.abs(ours - trained[0, 0].numpy() * 255).max() <= 1.01


def test_grey_is_replicated_before_mean_and_std() -> None:
    pixels = noise(40, 40)
    preprocess = Preprocess(size=(32, 32))
    colour = np.repeat(pixels[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(preprocess(pixels), preprocess(colour))
    np.testing.assert_array_equal(preprocess(pixels), preprocess(pixels[:, :, None]))


def test_out_is_written_in_place() -> None:
    batch = np.full((2, 3, 32, 32), np.nan, np.float32)
    preprocess = Preprocess(size=(32, 32))
    preprocess(noise(40, 40, 3), out=batch[1])
    assert np.isnan(batch[0]).all()
    np.testing.assert_array_equal(batch[1], preprocess(noise(40, 40, 3)))


def test_nothing_is_resized_at_the_right_size() -> None:
    pixels = noise(32, 32, 3)
    np.testing.assert_array_equal(Preprocess(size=(32, 32)).pixels(pixels), pixels)


@given(
    size=st.tuples(st.integers(1, 512), st.integers(1, 512)),
    resize=st.sampled_from(Resize),
    crop_pct=st.floats(0.1, 1),
    interpolation=st.sampled_from(Interpolation),
    mean=st.tuples(*[st.floats(-2, 2)] * 3),
    std=st.tuples(*[st.floats(0.01, 2)] * 3),
)
def test_manifest_round_trip_through_json(**fields: object) -> None:
    preprocess = Preprocess(**fields)  # type: ignore[arg-type]
    manifest = preprocess.to_manifest()
    assert list(manifest) == ["resize", "crop", "interpolation", "mean", "std", "color"]
    assert Preprocess.from_manifest(json.loads(json.dumps(manifest))) == preprocess


def test_four_channels_are_four_grey_images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 4), np.uint8)
    numbers = {"mean": (0.1, 0.2, 0.3, 0.4), "std": (0.5, 0.6, 0.7, 0.8)}
    four = Preprocess(size=(16, 16), color="RGBA", **numbers)  # type: ignore[arg-type]  # as the two lines above
    given = four(pixels)
    assert given.shape == (4, 16, 16)
    for channel in range(4):
        alike = {name: (values[channel],) * 3 for name, values in numbers.items()}
        plane = Preprocess(size=(16, 16), **alike)(np.ascontiguousarray(pixels[:, :, channel]))  # type: ignore[arg-type]  # same
        np.testing.assert_array_equal(given[channel], plane[0])
    assert Preprocess.from_manifest(json.loads(json.dumps(four.to_manifest()))) == four


def test_the_manifest_spells_every_size_out() -> None:
    manifest = Preprocess(size=(224, 224), crop_pct=0.875).to_manifest()
    assert manifest["resize"] == {"mode": "cover", "size": [256, 256]}
    assert manifest["crop"] == {"mode": "center", "size": [224, 224], "pct": 0.875}


@pytest.mark.parametrize(
    "planted",
    [
        {"resize": {"mode": "cover", "size": [255, 256]}},  # contradicts crop
        {"resize": {"mode": "letterbox", "size": [256, 256]}},
        {"resize": "cover"},
        {"crop": {"mode": "random", "size": [224, 224], "pct": 0.875}},
        {"crop": {"mode": "center", "size": [224.5, 224], "pct": 0.875}},
        {"interpolation": "area"},
        {"mean": [0.5, 0.5]},
        {"std": [0.5, 0.5, 0.0]},
        {"color": "BGR"},
    ],
)
def test_a_wrong_manifest_is_an_error(planted: dict[str, object]) -> None:
    manifest = Preprocess(size=(224, 224), crop_pct=0.875).to_manifest()
    with pytest.raises(DataError):
        Preprocess.from_manifest(manifest | planted)


def test_a_missing_manifest_field_is_named() -> None:
    manifest = Preprocess(size=(224, 224)).to_manifest()
    del manifest["std"]
    with pytest.raises(DataError, match="'std'"):
        Preprocess.from_manifest(manifest)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": (0, 32)},
        {"size": (32, 32), "crop_pct": 0.0},
        {"size": (32, 32), "crop_pct": 1.5},
        {"size": (32, 32), "std": (1.0, 0.0, 1.0)},
        {"size": (32, 32), "mean": (float("nan"), 0.0, 0.0)},
        {"size": (32, 32), "resize": "stretch"},
        {"size": (32, 32), "color": "RGBA"},
        {"size": (32, 32), "mean": (0.0,) * 4, "std": (1.0,) * 4},
    ],
)
def test_a_wrong_field_is_an_error(fields: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        Preprocess(**fields)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_a_strip_that_would_need_gigabytes_is_an_error() -> None:
    with pytest.raises(DataError, match="20000x1 pixels"):
        Preprocess(size=(224, 224))(np.zeros((1, 20_000), np.uint8))
