"""Writes what the Swift tests of ios_demo read: model folders with golden bundles, and preprocessing cases.

python -m tests.ios_demo.fixtures FOLDER

FOLDER/m0, b0 ...     what `export-app ios` makes of the models of tests/demo_models.py
FOLDER/*/top.json     the three likeliest classes of each golden image by numpy: classes and probabilities, a list per source of logits
FOLDER/turned.json    an image in each EXIF orientation as stored, and as Pillow turns it: height, width, pixels
FOLDER/cases/NAME     bundles without artefacts: one preprocessing each, images of awkward sizes
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from evit_mobile.record.files import read_manifest
from tests import demo_models
from tests.android_demo.fixtures import write_cases


def main(folder: Path, models: Path) -> None:
    for name in demo_models.NAMES:
        write_top(demo_models.exported("ios", models / name, folder / name))
    write_cases(folder / "cases")
    write_turned(folder / "turned.json")


def write_turned(path: Path) -> None:
    """Pillow's `exif_transpose` of one image of 2 x 3 pixels, for all eight orientations."""
    stored = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    images = [stored]
    for orientation in range(1, 9):
        image = stored.copy()
        image.getexif()[ExifTags.Base.Orientation] = orientation
        images.append(ImageOps.exif_transpose(image))
    entries = [{"height": it.height, "width": it.width, "pixels": list(it.tobytes())} for it in images]
    path.write_text(json.dumps(entries))


def write_top(folder: Path) -> None:
    """What an app must say of the stored logits."""
    golden = json.loads((folder / "golden" / "golden.json").read_text())
    ready = all(entry.outputs[0].name == "probabilities" for entry in read_manifest(folder).artefacts)
    series = [[top(image["reference"]) for image in golden["images"]]]
    for _, artefact in sorted(golden["artefacts"].items()):
        series.append([top(values, probabilities=ready) for values in artefact["logits"]])
    (folder / "top.json").write_text(json.dumps(series))


def top(values: list[float], *, probabilities: bool = False) -> dict[str, Any]:
    """The three likeliest classes, of equal ones the first, and their softmax in float64, or the values where they are probabilities."""
    given = np.array(values, np.float64)
    powers = given if probabilities else np.exp(given - given.max())
    shares = given if probabilities else powers / powers.sum()
    classes = np.argsort(-given, kind="stable")[:3]
    return {"classes": classes.tolist(), "probabilities": shares[classes].tolist()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as models:
        demo_models.main(Path(models))
        main(Path(sys.argv[1]), Path(models))
