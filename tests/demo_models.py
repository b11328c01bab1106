"""Writes what the tests of all three apps read, each by way of `export-app`: model folders with the same golden images in every one.

python -m tests.demo_models FOLDER

FOLDER/photos         100 photos of five classes, in three sizes; the folders are called by the numbers of the classes
FOLDER/m0             the model of `convert` without options: LiteRT fp32 and int8, ExecuTorch fp32, Core ML fp16
FOLDER/b0             the bundled b0 at 128x128, calibrated with the photos: int8 for LiteRT and Core ML
FOLDER/five           m0's checkpoint cut down to 5 classes, with names of its own, at 192x256, likewise; its training says
                      mean = std = 0.5, crop 1.0, bilinear
FOLDER/photo          m0 from 8-bit pixels to probabilities: fp32 for LiteRT and ExecuTorch, integers only for LiteRT
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import evit_mobile
from calib import Bundled, open_bundled
from evit_mobile.demos.export import APPS, export_app
from evit_mobile.models.bundled import bundled_checkpoint

NAMES = ("m0", "b0", "five", "photo")
FORMATS = ("tflite", "executorch", "coreml")
GOLDEN_IMAGES = 32
CLASSES, SIZE = 5, (192, 256)
PHOTOS = 100
SCHEMA = Path(__file__).resolve().parents[1] / "docs" / "manifest.schema.json"
MANIFEST_BYTES = 20_000
"""An app's manifest is smaller: plans stay at home."""
PHOTO_SIZES = ((280, 280), (224, 224), (210, 196))
"""Widths and heights in pixels."""


def main(folder: Path, wanted: Collection[str] = FORMATS) -> None:
    """All of it, or what there is of it in the formats `wanted`."""
    photos = folder / "photos"
    write_photos(photos)
    convert = functools.partial(convert_to, wanted)
    convert(folder / "m0", "fp32", ["tflite", "executorch"])
    convert(folder / "m0", "int8", ["tflite"])
    convert(folder / "m0", "fp16", ["coreml"])
    small = {"model": "efficientvit_b0", "weights": "bundled", "size": (128, 128)}
    convert(folder / "b0", "int8", ["tflite", "coreml"], calib=photos, **small)
    cut_classes(folder / "five.pth")
    (folder / "five.txt").write_text("\n".join(f"kind {label}" for label in range(CLASSES)))
    own = {"model": "efficientvit_m0", "weights": folder / "five.pth", "size": SIZE, "labels": folder / "five.txt"}
    convert(folder / "five", "int8", ["tflite", "coreml"], calib=photos, **own)
    ends = {"image_input": True, "class_output": True}
    convert(folder / "photo", "fp32", ["tflite", "executorch"], **ends)
    convert(folder / "photo", "int8-full", ["tflite"], **ends)


def convert_to(wanted: Collection[str], folder: Path, precision: str, formats: list[str], **options: Any) -> None:
    """To those of `formats` that are wanted."""
    chosen = [one for one in formats if one in wanted]
    if chosen:
        evit_mobile.convert(formats=chosen, precision=precision, out=folder, golden=GOLDEN_IMAGES, **options)


def write_photos(folder: Path) -> None:
    """Test images of the bundled models' first classes, enlarged, in a sub-folder per class."""
    dataset = open_bundled(Bundled.TEST)
    assert dataset.labels is not None
    chosen = [index for index, label in enumerate(dataset.labels) if label < CLASSES][:PHOTOS]
    for number, index in enumerate(chosen):
        place = folder / f"{dataset.labels[index]}"
        place.mkdir(parents=True, exist_ok=True)
        size = PHOTO_SIZES[number % len(PHOTO_SIZES)]
        grey = Image.fromarray(np.asarray(dataset.item(index))).resize(size, Image.Resampling.BILINEAR)
        grey.convert("RGB").save(place / f"{number:02}.png")


def cut_classes(path: Path) -> None:
    """A training checkpoint of `CLASSES` classes, as timm's train.py writes it: the bundled m0 with the others left out."""
    tensors = load_file(bundled_checkpoint("efficientvit_m0"))
    classifier = {name: tensor[:CLASSES] for name, tensor in tensors.items() if name.startswith("head.linear.")}
    arguments = argparse.Namespace(mean=[0.5] * 3, std=[0.5] * 3, crop_pct=1.0, interpolation="bilinear")
    torch.save({"state_dict": tensors | classifier, "args": arguments}, path)


def exported(app: str, model: Path, folder: Path) -> Path:
    """What `export-app` makes of a model folder for an app, at `folder`. Its manifest is as docs/manifest.schema.json promises to apps."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        export_app(app, model, Path(place), force=True)  # of 40 photos, one is more than the verdict lets int8 lose
        Path(place, APPS[app].model).rename(folder)
    manifest = folder / "manifest.json"
    jsonschema.validate(json.loads(manifest.read_text()), json.loads(SCHEMA.read_text()))
    assert manifest.stat().st_size < MANIFEST_BYTES
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]))
