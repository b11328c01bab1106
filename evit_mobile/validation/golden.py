"""Golden vectors: images, the tensors they become and the logits they give, by which an app in another language proves itself.

One folder beside the manifest, replaced as a whole; its format is a promise: docs/golden.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from calib.images import Picture, open_image, upright, with_fourth
from calib.preprocess import Preprocess, resized
from converters.contract import FloatType, Precision, Target
from converters.errors import ArtefactError, NoRuntimeError
from converters.files import atomic_path, sha256
from converters.registry import find_target
from evit_mobile.metrics import Logits
from evit_mobile.strict_json import read, to_json
from evit_mobile.validation.probabilities import gives_probabilities

if TYPE_CHECKING:
    from evit_mobile.images.data import Images  # which needs torch; reading a bundle does not
    from evit_mobile.record.manifest import Manifest

SCHEMA = 1
FOLDER = "golden"
FILE_NAME = "golden.json"
PATH = f"{FOLDER}/{FILE_NAME}"
"""Where the bundle's own list lies, relative to the manifest."""
HASHES = {"image": "sha256", "tensor": "tensor_sha256", "pixels": "pixels_sha256"}
"""The fields of an image's entry that name a file, and those with its SHA-256. Bundles of earlier releases have no pixels."""

SHORTER_SIDE = 512
"""Pixels. Photos are stored at most this large: the tests of an app should not be about decoding 12 megapixels."""

FP32_TOLERANCE = 1e-4
COARSE_TOLERANCE = 1 / 64
INTEGER_TOLERANCE = 1 / 32
"""How far another CPU or runtime may be, as shares of the logits' spread; reasons and measurements are in docs/golden.md."""

Run = Callable[[NDArray[np.float32]], Logits]
"""Images (B, 3, H, W) -> logits (B, classes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A bundle whose files are those that were written. `tensors` are (images, 3, H, W)."""

    folder: Path
    document: dict[str, Any]
    tensors: NDArray[np.float32]

    @property
    def files(self) -> list[str]:
        """Names of every file of the bundle."""
        images = self.document["images"]
        return [FILE_NAME, *(item[key] for item in images for key in HASHES if key in item)]


def write_golden(
    manifest: Manifest, folder: Path, held_out: Images, labels: NDArray[np.int64] | None, count: int, run: Run
) -> str:
    """Writes the bundle of the manifest's artefacts as they lie in `folder`; returns the SHA-256 of its golden.json.

    Its images are the first `count` of `held_out`, with their true classes `labels` (images,) where known; `run` is the
    reference. Every artefact that can be run here is run again, so nothing of an earlier bundle is left.
    """
    indices = held_out.selection.indices[:count]
    with atomic_path(folder / FOLDER) as bundle:
        bundle.mkdir()
        images, tensors = [], []
        for position, index in enumerate(indices):
            pixels = stored_pixels(held_out.dataset.item(index), held_out.preprocess.channels)
            tensors.append(held_out.preprocess(pixels))
            label = None if labels is None else int(labels[position])
            images.append(write_image(bundle, f"{position:02}", pixels, held_out.preprocess, label))
        batch = np.stack(tensors)
        expected = run(batch)
        for item, logits in zip(images, expected, strict=True):
            item["reference"] = shortest(logits)
        document = {
            "schema": SCHEMA,
            "model": manifest.model.name,
            "input": manifest.input,
            "images": images,
            "artefacts": artefact_entries(manifest, folder, batch, expected),
        }
        (bundle / FILE_NAME).write_text(to_json(document))
        return sha256(bundle / FILE_NAME)


def remove_golden(folder: Path) -> None:
    """Removes an earlier bundle: it is none of the manifest that is about to be written."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def check_place(folder: Path) -> None:
    """Raises ArtefactError when what lies where the bundle goes is none: it would be replaced."""
    place = folder / FOLDER
    if place.exists() and not (place / FILE_NAME).exists():
        raise ArtefactError(
            got=f"{place}, which is no folder of golden vectors",
            allowed="an output folder where that name is free",
            do="move it, or pass --out DIR",
        )


def stored_pixels(picture: Picture, channels: int) -> NDArray[np.uint8]:
    """(H, W, channels) of an image as the bundle stores it."""
    image = with_fourth(picture) if channels == 4 else upright(picture).convert("RGB")
    factor = SHORTER_SIDE / min(image.size)
    if factor < 1:
        width, height = (round(side * factor) for side in image.size)
        image = resized(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def write_image(
    bundle: Path, name: str, pixels: NDArray[np.uint8], preprocess: Preprocess, label: int | None
) -> dict[str, Any]:
    """Writes an image (H, W, 3 or 4), and the tensor and the 8-bit pixels that it becomes; returns their entry, still without the
    reference's logits.
    """
    image, tensor, cropped = (bundle / f"{name}.{suffix}" for suffix in ("png", "f32", "u8"))
    Image.fromarray(pixels).save(image)  # from an array: without the colour profile that a photo may carry
    tensor.write_bytes(preprocess(pixels).astype("<f4").tobytes())
    cropped.write_bytes(preprocess.pixels(pixels).tobytes())
    return {
        "image": image.name,
        "sha256": sha256(image),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "label": label,
        "tensor": tensor.name,
        "tensor_sha256": sha256(tensor),
        "pixels": cropped.name,
        "pixels_sha256": sha256(cropped),
    }


def artefact_entries(
    manifest: Manifest, folder: Path, tensors: NDArray[np.float32], expected: Logits
) -> dict[str, Any]:
    """What every artefact gives for `tensors`, by its path: those that can be run here, are as the manifest says and give numbers.
    `expected` are the reference's logits.
    """
    entries = {}
    for entry in manifest.artefacts:
        path, target = folder / entry.path, find_target(entry.format)
        if target.missing() is not None or not path.exists() or sha256(path) != entry.sha256:
            continue
        try:
            logits = target.load(path)(tensors)
        except NoRuntimeError:
            continue
        if np.isfinite(logits).all():
            probabilities = gives_probabilities(output.name for output in entry.outputs)
            limit = tolerance(expected if probabilities else logits, entry.precision, target)
            entries[entry.path] = {
                "sha256": entry.sha256,
                "logits": [shortest(row) for row in logits],
                "max_abs_error": limit / 2 if probabilities else limit,
            }
    return entries


def tolerance(logits: Logits, precision: Precision, target: Target) -> float:
    """How far another CPU or runtime may be from `logits` (images, classes) of an artefact, in their units. A softmax moves by at most
    half of what its logits move by.
    """
    if precision is Precision.INT8_FULL:
        return share_of_spread(logits, INTEGER_TOLERANCE)
    coarse = precision.calibrated or target.precisions[precision] is FloatType.FP16
    return share_of_spread(logits, COARSE_TOLERANCE if coarse else FP32_TOLERANCE)


def share_of_spread(logits: Logits, share: float) -> float:
    """That share of what lies between the smallest and the largest logit."""
    return float(f"{share * float(np.ptp(logits)):.3g}")


def shortest(logits: NDArray[np.float32]) -> list[float]:
    """Numbers of the fewest digits that read back as the same float32."""
    return [float(str(value)) for value in logits.astype(np.float32)]


def read_golden(manifest: Manifest, folder: Path) -> Golden | None:
    """The bundle that a manifest of `folder` names, with every hash checked; None where it names none.

    Raises ArtefactError for one that is missing, altered, of another schema or of another model.
    """
    listed = manifest.golden
    if listed is None:
        return None
    bundle = folder / FOLDER
    try:
        check_file(folder / listed.path, listed.sha256)
        document = json.loads((bundle / FILE_NAME).read_text())
        if document["schema"] != SCHEMA:
            raise damaged(f"golden vectors of schema {document['schema']} in {bundle}", f"schema {SCHEMA}")
        if document["model"] != manifest.model.name or read(type(manifest.input), document["input"]) != manifest.input:
            raise damaged(
                f"golden vectors of {document['model']} in {bundle}", "those of the manifest's model and input"
            )
        for item in document["images"]:
            for key, digest in HASHES.items():
                if key in item or key != "pixels":
                    check_file(bundle / plain(item[key]), item[digest])
        shape = manifest.input.shape[1:]
        tensors = [np.fromfile(bundle / item["tensor"], "<f4").reshape(shape) for item in document["images"]]
        return Golden(folder=bundle, document=document, tensors=np.stack(tensors))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(
            f"golden vectors in {bundle} that cannot be read ({type(error).__name__}: {error})",
            "the folder that `evit-mobile convert` wrote",
        ) from None


def plain(name: str) -> str:
    """`name`, if it names a file of the bundle's own folder. Raises ValueError."""
    if Path(name).name != name:
        raise ValueError(f"a file called {name!r}")
    return name


def check_file(path: Path, digest: str) -> None:
    """Raises ArtefactError unless the file is the one that was written."""
    if sha256(path) != digest:
        raise damaged(f"{path}, whose sha256 differs", "the file that was written")


def damaged(got: str, allowed: str) -> ArtefactError:
    return ArtefactError(got=got, allowed=allowed, do="convert again")


def find_faults(golden: Golden, manifest: Manifest, names: Sequence[str], run: Run) -> list[str]:
    """In words, what of a bundle is not what Python computes now: tensors, the reference's logits, and those of the artefacts
    called `names` that it holds and that can be run here.
    """
    document, faults = golden.document, []
    preprocess = Preprocess.from_manifest(document["input"])
    for item, tensor in zip(document["images"], golden.tensors, strict=True):
        image = open_image(golden.folder / item["image"])
        if not np.array_equal(preprocess(image), tensor):
            faults.append(f"{item['tensor']} is not what {item['image']} becomes")
        if "pixels" in item and (golden.folder / item["pixels"]).read_bytes() != preprocess.pixels(image).tobytes():
            faults.append(f"{item['pixels']} is not what {item['image']} is cropped to")
    expected = run(golden.tensors)
    reference = [item["reference"] for item in document["images"]]
    faults += distance_faults("the reference", reference, expected, share_of_spread(expected, FP32_TOLERANCE))
    listed = {entry.path: entry for entry in manifest.artefacts}
    for name in document["artefacts"]:
        stored, entry = document["artefacts"][name], listed.get(name)
        if entry is None or entry.sha256 != stored["sha256"]:
            faults.append(f"its {name} is not the manifest's")
        elif name in names and find_target(entry.format).missing() is None:
            actual = find_target(entry.format).load(golden.folder.parent / name)(golden.tensors)
            faults += distance_faults(name, stored["logits"], actual, stored["max_abs_error"])
    return faults


def distance_faults(name: str, stored: Sequence[Sequence[float]], actual: Logits, limit: float) -> list[str]:
    """That stored logits are not those computed now, within `limit`; NaN never is."""
    logits = np.array(stored, np.float32)
    if logits.shape != actual.shape:
        return [f"logits of {name}: shape {logits.shape}, not {actual.shape}"]
    distance = float(np.abs(logits - actual).max())
    return [] if distance <= limit else [f"logits of {name}: {distance:.3g} away, at most {limit:.3g} allowed"]
