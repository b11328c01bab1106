"""A checkpoint trained with mean = std = 0.5, the whole image and a bilinear filter: that is what every format and every app gets.

What the images become is computed here with Pillow and numpy alone, so that a statement that was dropped on the way would be seen. The
apps' own tests read the same kind of checkpoint: `five` of tests/demo_models.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import evit_mobile
from calib.preprocess import Resize
from converters.registry import find_target
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import CropEntry, ResizeEntry
from evit_mobile.reference import load_reference
from evit_mobile.report.lines import preprocessing_text
from evit_mobile.validation.golden import read_golden
from tests.demo_models import write_photos

SIDE = 64
FORMATS = ["coreml", "tflite", "executorch"]
ARGUMENTS = argparse.Namespace(mean=[0.5], std=[0.5], crop_pct=1.0, interpolation="bilinear", img_size=SIDE)


def plain_tensor(path: Path) -> NDArray[np.float32]:
    """Shorter side to SIDE, the middle of the other, values from -1 to 1: float32 (3, SIDE, SIDE)."""
    with Image.open(path) as image:
        scale = SIDE / min(image.size)
        width, height = (int(scale * side + 1e-9) for side in image.size)
        resized = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), np.float64)
    top, left = round((height - SIDE) / 2), round((width - SIDE) / 2)
    cropped = resized[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)
    return (cropped / 127.5 - 1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three formats of such a checkpoint, taking images that they normalise themselves."""
    place = tmp_path_factory.mktemp("as_trained")
    module = load_reference(None, size=(SIDE, SIDE)).module
    torch.save({"state_dict": module.state_dict(), "args": ARGUMENTS}, place / "trained.pth")
    write_photos(place / "photos")
    options: dict[str, Any] = {
        "weights": place / "trained.pth",
        "calib": place / "photos",
        "image_input": True,
    }
    conversion = evit_mobile.convert(formats=FORMATS, precision="fp32", out=place / "out", **options)
    assert conversion.proven
    return place / "out"


@pytest.mark.slow
def test_manifest_and_table_say_so(folder: Path) -> None:
    entry = read_manifest(folder).input
    assert (entry.mean, entry.std) == ((0.5,) * 3, (0.5,) * 3)
    assert entry.resize == ResizeEntry(mode=Resize.COVER, size=(SIDE, SIDE))
    assert entry.crop == CropEntry(mode="center", size=(SIDE, SIDE), pct=1.0)
    assert entry.interpolation == "bilinear"
    told = {name: entry.stated_by[name] for name in ("mean", "std", "crop", "interpolation")}
    assert set(told.values()) == {"args in the checkpoint"}
    assert "mean 0.5 0.5 0.5, std 0.5 0.5 0.5" in preprocessing_text(entry)


@pytest.mark.slow
def test_golden_images_become_these_values(folder: Path) -> None:
    """What all apps are tested against."""
    golden = read_golden(read_manifest(folder), folder)
    assert golden is not None
    assert golden.document["input"]["mean"] == [0.5] * 3
    for item, tensor in zip(golden.document["images"], golden.tensors, strict=True):
        np.testing.assert_allclose(tensor, plain_tensor(golden.folder / item["image"]), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_computes_with_these_values(folder: Path, name: str) -> None:
    """The files' logits for the values computed here are the reference's, as stored; each normalises 8-bit images itself."""
    manifest = read_manifest(folder)
    golden = read_golden(manifest, folder)
    assert golden is not None
    (entry,) = (entry for entry in manifest.artefacts if entry.format == name)
    assert entry.inputs[0].dtype == ("image" if name == "coreml" else "uint8")
    images = np.stack([plain_tensor(golden.folder / item["image"]) for item in golden.document["images"]])
    expected = np.array([item["reference"] for item in golden.document["images"]])
    logits = find_target(name).load(folder / entry.path)(images)
    np.testing.assert_allclose(logits, expected, atol=1e-3 * float(np.ptp(expected)))
