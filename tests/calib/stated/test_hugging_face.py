"""preprocessor_config.json: what each step of transformers' image processors becomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from calib.errors import DataError
from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.hugging_face import is_processor, read_processor
from calib.stated.statement import decide

HALVES = [0.5, 0.5, 0.5]
VIT = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 64, "width": 64},
    "resample": 2,
    "do_center_crop": None,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": HALVES,
    "image_std": HALVES,
}
CLIP = {
    **VIT,
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 72},
    "do_center_crop": True,
    "crop_size": {"height": 64, "width": 64},
    "do_convert_rgb": True,
}


def read(fields: dict[str, Any], default: Preprocess | None = None) -> Preprocess:
    assert is_processor(fields)
    return decide(default or Preprocess(size=(64, 64)), [read_processor(fields, "preprocessor_config.json")]).preprocess


def test_a_squashing_processor_in_numbers() -> None:
    """ViTImageProcessor: resize to height and width, divide by 255, normalise."""
    pixels = np.random.default_rng(0).integers(0, 256, (90, 133, 3), np.uint8)
    resized = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(read(VIT)(pixels), ((resized - 0.5) / 0.5).transpose(2, 0, 1), atol=1e-6)


def test_a_cropping_processor() -> None:
    preprocess = read(CLIP)
    assert (preprocess.resize, preprocess.box, preprocess.size) == (Resize.COVER, (72, 72), (64, 64))
    assert read_processor(CLIP, "it").size == (64, 64)


def test_squashed_and_then_cropped() -> None:
    preprocess = read({**CLIP, "size": {"height": 72, "width": 72}})
    assert (preprocess.resize, preprocess.box) == (Resize.SQUASH, (72, 72))


@pytest.mark.parametrize(
    ("edge", "resize", "box"), [(64, Resize.COVER, 73), (224, Resize.COVER, 256), (384, Resize.SQUASH, 384)]
)
def test_convnexts_crop(edge: int, resize: Resize, box: int) -> None:
    fields = {**VIT, "image_processor_type": "ConvNextImageProcessorFast", "size": {"shortest_edge": edge}}
    fields["crop_pct"] = 224 / 256
    preprocess = read(fields, Preprocess(size=(edge, edge)))
    assert (preprocess.resize, preprocess.box) == (resize, (box, box))


@pytest.mark.parametrize("number", range(6))
def test_filters_are_pillows_numbers(number: int) -> None:
    assert read({**VIT, "resample": number}).interpolation == Image.Resampling(number).name.lower()


@pytest.mark.parametrize(
    ("steps", "formula"),
    [
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [64.0] * 3}, lambda v: (v - 127.5) / 64),
        ({"do_normalize": False}, lambda v: v / 255),
        ({"do_normalize": False, "do_rescale": False}, lambda v: v),
        ({"rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": 1.0}, lambda v: v / 127.5 - 1),
    ],
)
def test_every_scale_of_values(steps: dict[str, Any], formula: Any) -> None:
    values = np.arange(256, dtype=np.uint8)[None]
    result = read({**VIT, **steps}).normalize(values)
    np.testing.assert_allclose(result[0, 0], formula(values[0].astype(np.float64)), rtol=1e-5, atol=1e-5)


def test_timms_wrapper_leaves_it_to_timm() -> None:
    config = {"mean": HALVES, "std": HALVES, "crop_pct": 1.0, "interpolation": "bilinear", "input_size": [3, 64, 64]}
    statement = read_processor({"image_processor_type": "TimmWrapperImageProcessor", "data_config": config}, "it")
    assert statement.size == (64, 64)
    assert statement.values["interpolation"] is Interpolation.BILINEAR


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ({"image_processor_type": "LevitImageProcessor"}, "LevitImageProcessor"),
        ({"image_processor_type": None, "feature_extractor_type": "DetrFeatureExtractor"}, "DetrFeatureExtractor"),
        ({"do_pad": True}, "do_pad"),
        ({"do_thumbnail": True}, "do_thumbnail"),
        ({"do_resize": False}, "do_resize"),
        ({"size": {"shortest_edge": 64}}, "shortest edge of 64 without a crop"),
        ({"size": {"shortest_edge": 64, "longest_edge": 100}}, "longest_edge"),
        ({"size": 64, "do_center_crop": True, "crop_size": 64}, "size 64"),
        ({"size": {"shortest_edge": 72}, "do_center_crop": True, "crop_size": {"height": 64, "width": 32}}, "64x32"),
        ({"size": {"shortest_edge": 32}, "do_center_crop": True, "crop_size": 64}, "64x64 out of 32x32"),
        ({"resample": 7}, "resample 7"),
        ({"image_mean": [0.5]}, None),
        ({"image_mean": [0.5, 0.5]}, "mean [0.5, 0.5]"),
        ({"image_mean": [123.0, 116.0, 103.0]}, "0..255"),
        ({"rescale_offset": True}, "rescale_offset"),
    ],
)
def test_what_cannot_be_met_is_refused_by_name(planted: dict[str, Any], words: str | None) -> None:
    if words is None:
        assert read(VIT | planted).mean == (0.5,) * 3
        return
    with pytest.raises(DataError) as caught:
        read(VIT | planted)
    assert words in caught.value.got
    assert "preprocessor_config.json" in caught.value.got


def test_steps_of_labels_change_nothing() -> None:
    assert read({**VIT, "do_reduce_labels": True, "do_pad": False}) == read(VIT)
