"""Writes what the JVM tests of android_demo read: model folders with golden bundles, and preprocessing cases.

python -m tests.android_demo.fixtures FOLDER

FOLDER/m0, b0         the bundled models, fp32 and int8, 32 golden images each
FOLDER/five           m0's checkpoint cut down to 5 classes, at 192x256
FOLDER/cases/NAME     bundles without artefacts: one preprocessing each, images of awkward sizes
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

import evit_mobile
from calib.images import upright
from calib.preprocess import Interpolation, Preprocess, Resize
from converters.tflite.runtime import load_runner
from evit_mobile.data import everything
from evit_mobile.reference import load_reference

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
    bundled = Path(evit_mobile.__file__).parent / "weights" / "efficientvit_m0.fashion_mnist.safetensors"
    tensors = load_file(bundled)
    classifier = {name: tensor[:CLASSES] for name, tensor in tensors.items() if name.startswith("head.linear.")}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors | {name: tensor.copy() for name, tensor in classifier.items()}, path)


def model_folder(
    folder: Path, model: str, weights: str, precisions: tuple[str, ...], size: tuple[int, int] | None = None
) -> None:
    """Artefacts, manifest and golden bundle of one model, unless they are there."""
    if (folder / "golden" / "golden.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for precision in precisions:
        conversion = evit_mobile.convert(
            model, formats=["tflite"], precision=precision, weights=weights, size=size, out=folder
        )
    manifest = conversion.manifest
    preprocess = Preprocess.from_manifest(manifest["input"])
    dataset = everything(None, preprocess, GOLDEN_IMAGES).dataset
    images = [upright(dataset.item(index)).convert("RGB") for index in range(GOLDEN_IMAGES)]
    module = load_reference(model, weights=weights, size=size).module.eval()
    with torch.no_grad():
        manifest["golden"] = write_bundle(
            folder, manifest, preprocess, images, lambda batch: module(torch.from_numpy(batch)).numpy()
        )
    (folder / "manifest.json").write_text(json.dumps(manifest))


def write_cases(folder: Path) -> None:
    """A bundle for every filter and resize, of images of many sizes."""
    generator = np.random.default_rng(0)
    images = [picture(generator, *size) for size in SIZES]
    for interpolation, resize in product(Interpolation, Resize):
        preprocess = Preprocess(size=(96, 160), resize=resize, crop_pct=0.875, interpolation=interpolation)
        manifest = {"model": {"name": "none"}, "input": {"shape": [1, 3, 96, 160], **preprocess.to_manifest()}}
        write_bundle(folder / f"{resize}-{interpolation}", manifest, preprocess, images)


def picture(generator: np.random.Generator, height: int, width: int) -> Image.Image:
    """Smooth colours with noise, saturated in places, so that overshooting filters clip."""
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    smooth = np.stack([np.sin(7 * rows), np.cos(11 * columns), np.sin(5 * (rows + columns))], axis=-1)
    noisy = 128 + 120 * smooth + 60 * generator.standard_normal((height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def write_bundle(
    folder: Path,
    manifest: dict[str, Any],
    preprocess: Preprocess,
    images: list[Image.Image],
    reference: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> dict[str, str]:
    """Writes `folder`/golden; returns what a manifest says of it."""
    bundle = folder / "golden"
    bundle.mkdir(parents=True, exist_ok=True)
    batch = np.stack([preprocess(image) for image in images])
    logits = np.zeros((len(images), 0)) if reference is None else reference(batch)
    entries = []
    for position, image in enumerate(images):
        picture, tensor = f"{position:02}.png", f"{position:02}.f32"
        image.save(bundle / picture)
        (bundle / tensor).write_bytes(batch[position].astype("<f4").tobytes())
        entries.append(
            {
                "image": picture,
                "sha256": digest(bundle / picture),
                "width": image.width,
                "height": image.height,
                "label": None,
                "tensor": tensor,
                "tensor_sha256": digest(bundle / tensor),
                "reference": logits[position].tolist(),
            }
        )
    artefacts = {
        entry["path"]: {
            "sha256": entry["sha256"],
            "logits": (found := load_runner(folder / entry["path"])(batch)).tolist(),
            "max_abs_error": float(np.ptp(found)) * (1e-4 if entry["precision"] == "fp32" else 1 / 64),
        }
        for entry in manifest.get("artefacts", [])
    }
    document = {
        "schema": 1,
        "model": manifest["model"]["name"],
        "input": manifest["input"],
        "images": entries,
        "artefacts": artefacts,
    }
    (bundle / "golden.json").write_text(json.dumps(document))
    return {"path": "golden/golden.json", "sha256": digest(bundle / "golden.json")}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
