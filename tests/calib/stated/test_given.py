"""A given file: each kind is recognised by its names; what is of no kind, or misspelt, is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.errors import DataError
from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.given import TORCHVISION, read_given_file
from calib.stated.statement import Statement, decide

WANTED = Preprocess(
    size=(64, 64), interpolation=Interpolation.BILINEAR, resize=Resize.SQUASH, mean=(0.5,) * 3, std=(0.5,) * 3
)
TIMM = {"mean": [0.5], "std": [0.5], "crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bilinear"}
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 64, "width": 64},
    "resample": 2,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}
KINDS = {
    "manifest": {"schema": 1, "input": {"name": "image", **WANTED.to_manifest()}},
    "input": WANTED.to_manifest(),
    "settings": {**TIMM, "input_size": [3, 64, 64]},
    "config": {"architecture": "efficientvit_m0", "pretrained_cfg": {**TIMM, "input_size": [3, 64, 64]}},
    "own settings": {**TIMM, "input_size": [3, 64, 64], "classifier": "head.linear", "fixed_input_size": True},
    "processor": PROCESSOR,
}


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "given.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_the_same(tmp_path: Path, kind: str) -> None:
    statement = read_given_file(written(tmp_path, KINDS[kind]), "given.json")
    assert statement.size == (64, 64)
    assert decide(Preprocess(size=(64, 64)), [statement]).preprocess == WANTED


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "cannot be read"),
        ("[1]", "a list"),
        ("{}", "given.json"),
        ({"means": [0.5]}, "means"),
        ({"mean": [0.5] * 3, "interp": "bilinear"}, "interp"),
        ({"input": {"resize": "cover"}}, "KeyError"),
    ],
)
def test_other_files_are_errors(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_given_file(written(tmp_path, content), "given.json")
    assert words in caught.value.got


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_given_file(tmp_path / "absent.json", "absent.json")


def test_torchvisions_usual_evaluation() -> None:
    statement = Statement(source="--preprocess torchvision", values=TORCHVISION)
    preprocess = decide(Preprocess(size=(224, 224)), [statement]).preprocess
    assert (preprocess.box, preprocess.resize) == ((256, 256), Resize.COVER)
    assert preprocess.interpolation is Interpolation.BILINEAR
