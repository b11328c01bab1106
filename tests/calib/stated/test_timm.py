"""timm's settings: read with timm's rules, and applied as its own transforms apply them."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calib.errors import DataError
from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.statement import decide
from calib.stated.timm import input_size, read_arguments, read_settings
from tests.oracles import import_timm

CONFIGURATIONS = [
    {"crop_mode": mode, "crop_pct": crop, "interpolation": interpolation}
    for mode, crop in (("center", 0.875), ("squash", 1.0), ("squash", 0.9), ("center", 1.0))
    for interpolation in map(str, Interpolation)
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=lambda config: "-".join(map(str, config.values())))
def test_what_is_read_is_what_timms_transforms_do(config: dict[str, Any]) -> None:
    config |= {"mean": (0.5, 0.4, 0.3), "std": (0.5, 0.25, 0.2), "input_size": (3, 64, 64)}
    timm = import_timm()
    transform = timm.data.create_transform(**timm.data.resolve_data_config(config), is_training=False)
    statement = read_settings(config, "timm")
    assert statement.size == (64, 64)
    preprocess = decide(Preprocess(size=statement.size), [statement]).preprocess
    pixels = np.random.default_rng(0).integers(0, 256, (90, 133, 3), np.uint8)
    ours, theirs = preprocess(pixels), transform(Image.fromarray(pixels)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)  # timm computes in float32


@pytest.mark.parametrize("value", [[0.5], (0.5,), [0.5, 0.5, 0.5]])
def test_one_number_counts_for_every_channel_as_in_timm(value: object) -> None:
    assert read_settings({"mean": value, "std": value}, "args").values == {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    resolved = import_timm().data.resolve_data_config({"mean": value, "std": value})
    assert tuple(resolved["mean"]) == (0.5,) * 3


def test_elsewhere_one_number_is_refused() -> None:
    values = read_settings({"mean": 0.5}, "hyper_parameters", broadcast=False).values
    assert isinstance(values["mean"], DataError)


def test_what_is_empty_is_not_said() -> None:
    arguments = argparse.Namespace(mean=None, std=None, crop_pct=None, interpolation="", img_size=None, input_size=None)
    statement = read_arguments(vars(arguments), "args")
    assert statement.values == {}
    assert statement.size is None


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"interpolation": "random"}, "interpolation", "random"),
        ({"interpolation": "area"}, "interpolation", "area"),
        ({"crop_mode": "border"}, "resize", "border"),
        ({"crop_pct": 1.1}, "crop_pct", "pads"),
        ({"crop_border_pixels": 4}, "crop_pct", "crop_border_pixels 4"),
        ({"mean": [0.5, 0.5]}, "mean", "0.5, 0.5"),
        ({"mean": "0.5"}, "mean", "0.5"),
        ({"mean": [True, 0, 0]}, "mean", "True"),
        ({"mean": [float("nan")] * 3}, "mean", "nan"),
        ({"mean": [123.675, 116.28, 103.53]}, "mean", "0..255 scale"),
        ({"std": [58.395, 57.12, 57.375]}, "std", "0..255 scale"),
        ({"std": [0.5, 0.5, 0.0]}, "std", "0.0"),
    ],
)
def test_what_cannot_be_met_is_refused_by_name(fields: dict[str, Any], field: str, words: str) -> None:
    statement = read_settings(fields, "pretrained_cfg in config.json")
    with pytest.raises(DataError, match="as stated by pretrained_cfg") as caught:
        decide(Preprocess(size=(32, 32)), [statement])
    assert words in caught.value.got
    assert set(statement.values) == {field}


def test_what_only_shares_a_name_is_not_said() -> None:
    assert read_settings({"color": True, "color_jitter": 0.4, "size": 10}, "hyper_parameters").values == {}


def test_torchvisions_reference_arguments() -> None:
    statement = read_arguments(
        {"val_resize_size": 232, "val_crop_size": 224, "interpolation": "bicubic", "train_crop_size": 176}, "args"
    )
    preprocess = decide(Preprocess(size=(224, 224)), [statement]).preprocess
    assert (preprocess.box, preprocess.size, statement.size) == ((232, 232), (224, 224), (224, 224))
    assert (preprocess.resize, preprocess.interpolation) == (Resize.COVER, Interpolation.BICUBIC)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"input_size": (3, 224, 192)}, (224, 192)),
        ({"input_size": [224, 192, 3]}, (224, 192)),
        ({"img_size": 256}, (256, 256)),
        ({"input_size": None, "img_size": [224, 192]}, (224, 192)),
        ({"img_size": True, "image_size": 96}, (96, 96)),
        ({"image_size": "224"}, None),
        ({"input_size": (1, 2, 3, 4)}, None),
        ({}, None),
    ],
)
def test_sizes_are_height_and_width(fields: dict[str, Any], size: tuple[int, int] | None) -> None:
    assert input_size(fields) == size
