"""Writes what the JVM tests of android_demo read: model folders with golden bundles, and preprocessing cases.

python -m tests.android_demo.fixtures FOLDER

FOLDER/m0, b0 ...     what `export-app android` makes of the models of tests/demo_models.py
FOLDER/cases/NAME     bundles without artefacts: one preprocessing each, images of awkward sizes
"""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.preprocess import Interpolation, Preprocess, Resize
from evit_mobile.validation.golden import write_image
from tests import demo_models

SIZES = ((28, 28), (37, 101), (300, 200), (224, 224), (480, 640), (640, 200), (1, 9))
"""Heights and widths of the preprocessing cases: smaller, larger, equal, odd, tall and degenerate."""


def main(folder: Path, models: Path) -> None:
    for name in demo_models.NAMES:
        demo_models.exported("android", models / name, folder / name)
    write_cases(folder / "cases")


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
        write_image(bundle, f"{position:02}", pixels, preprocess, None) | {"reference": []}
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
    with tempfile.TemporaryDirectory() as models:
        demo_models.main(Path(models))
        main(Path(sys.argv[1]), Path(models))
