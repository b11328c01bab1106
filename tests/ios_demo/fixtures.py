"""Writes what the Swift tests of ios_demo read: model folders with golden bundles, and preprocessing cases.

python -m tests.ios_demo.fixtures FOLDER

FOLDER/m0, b0         the bundled models, 32 golden images each: Core ML fp16, and m0 on ExecuTorch in fp32 too
FOLDER/five           m0's checkpoint cut down to 5 classes, at 192x256
FOLDER/app            what `export-app ios` makes of m0, as it lies in the app
FOLDER/*/top.json     the three likeliest classes of each golden image by numpy: classes and probabilities, a list per source of logits
FOLDER/turned.json    an image in each EXIF orientation as stored, and as Pillow turns it: height, width, pixels
FOLDER/cases/NAME     bundles without artefacts: one preprocessing each, images of awkward sizes
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from evit_mobile.demos.export import export_app
from tests.android_demo.fixtures import SIZE, cut_classes, model_folder, write_cases


def main(folder: Path) -> None:
    for name in ("m0", "b0"):
        model_folder(folder / name, f"efficientvit_{name}", "bundled", ("fp16",), formats=("coreml",))
    model_folder(folder / "m0", "efficientvit_m0", "bundled", ("fp32",), formats=("executorch",))
    checkpoint = folder / "five.safetensors"
    cut_classes(checkpoint)
    model_folder(folder / "five", "efficientvit_m0", str(checkpoint), ("fp16",), SIZE, ("coreml",))
    for name in ("m0", "b0", "five"):
        write_top(folder / name)
    (folder / "app").mkdir()
    export_app("ios", folder / "m0", folder / "app")
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
    series = [[image["reference"] for image in golden["images"]]]
    series += [artefact["logits"] for _, artefact in sorted(golden["artefacts"].items())]
    (folder / "top.json").write_text(json.dumps([[top(logits) for logits in images] for images in series]))


def top(logits: list[float]) -> dict[str, Any]:
    """The three likeliest classes, of equal ones the first, and their softmax in float64."""
    values = np.array(logits, np.float64)
    powers = np.exp(values - values.max())
    classes = np.argsort(-values, kind="stable")[:3]
    return {"classes": classes.tolist(), "probabilities": (powers / powers.sum())[classes].tolist()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
