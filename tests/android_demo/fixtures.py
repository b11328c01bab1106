"""Writes what the JVM tests of android_demo read: model folders with golden bundles, and preprocessing cases.

python -m tests.android_demo.fixtures FOLDER

FOLDER/m0, b0         the bundled models, fp32 and int8, 32 golden images each
FOLDER/five           m0's checkpoint cut down to 5 classes, at 192x256
FOLDER/cases/NAME     bundles without artefacts: one preprocessing each, images of awkward sizes
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import evit_mobile
from calib.preprocess import Interpolation, Preprocess, Resize
from evit_mobile.models.bundled import bundled_checkpoint
from evit_mobile.validation.golden import write_image

GOLDEN_IMAGES = 32
CLASSES, SIZE = 5, (192, 256)
SIZES = ((28, 28), (37, 101), (300, 200), (224, 224), (480, 640), (640, 200), (1, 9))
"""Heights and widths of the preprocessing cases: smaller, larger, equal, odd, tall and degenerate."""


def main(folder: Path) -> None:
    for name in ("m0", "b0"):
        model_folder(folder / name, f"efficientvit_{name}", "bundled", ("fp32", "int8"))
    checkpoint = folder / "five.safetensors"
    cut_classes(checkpoint)
    model_folder(folder / "five", "efficientvit_m0", str(checkpoint), ("fp32",), SIZE)
    write_cases(folder / "cases")


def cut_classes(path: Path) -> None:
    """A checkpoint of `CLASSES` classes: the bundled m0 with the others left out."""
    tensors = load_file(bundled_checkpoint("efficientvit_m0"))
    classifier = {name: tensor[:CLASSES] for name, tensor in tensors.items() if name.startswith("head.linear.")}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors | {name: tensor.copy() for name, tensor in classifier.items()}, path)


def model_folder(
    folder: Path,
    model: str,
    weights: str,
    precisions: tuple[str, ...],
    size: tuple[int, int] | None = None,
    formats: tuple[str, ...] = ("tflite",),
) -> None:
    """Artefacts, manifest and golden bundle of one model."""
    for precision in precisions:
        evit_mobile.convert(
            model,
            formats=formats,
            precision=precision,
            weights=weights,
            size=size,
            out=folder,
            golden=GOLDEN_IMAGES,
        )


def write_cases(folder: Path) -> None:
    """A bundle for every filter and resize, of images of many sizes."""
    generator = np.random.default_rng(0)
    images = [picture(generator, *size) for size in SIZES]
    for interpolation, resize in product(Interpolation, Resize):
        preprocess = Preprocess(size=(96, 160), resize=resize, crop_pct=0.875, interpolation=interpolation)
        write_case(folder / f"{resize}-{interpolation}" / "golden", preprocess, images)


def write_case(bundle: Path, preprocess: Preprocess, images: list[NDArray[np.uint8]]) -> None:
    """A golden bundle without artefacts."""
    bundle.mkdir(parents=True)
    entries = [
        write_image(bundle, f"{position:02}", pixels, preprocess(pixels), None) | {"reference": []}
        for position, pixels in enumerate(images)
    ]
    entry = {"shape": [1, 3, *preprocess.size], **preprocess.to_manifest()}
    document = {"schema": 1, "model": "none", "input": entry, "images": entries, "artefacts": {}}
    (bundle / "golden.json").write_text(json.dumps(document))


def picture(generator: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Smooth colours with noise, saturated in places, so that overshooting filters clip."""
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    smooth = np.stack([np.sin(7 * rows), np.cos(11 * columns), np.sin(5 * (rows + columns))], axis=-1)
    noisy = 128 + 120 * smooth + 60 * generator.standard_normal((height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
