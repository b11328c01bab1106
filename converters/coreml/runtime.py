"""Runs a written .mlpackage: in Core ML itself on a Mac, in the reference evaluator elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Runner
from converters.coreml import package, toolchain
from converters.coreml.options import Normalization
from converters.errors import ArtefactError, ToolchainError

if TYPE_CHECKING:
    import numpy as np

ON_MAC = sys.platform == "darwin"
CORE_ML = "Core ML"
UNITS = ("ALL", "CPU_AND_NE", "CPU_ONLY")
"""Compute units that Core ML may be held to; validation leaves it all of them."""
EVALUATOR = "the reference evaluator on Linux"
LARGEST_ROUNDING = 0.01
"""How far a pixel may be from a whole number after normalisation in float32 was undone; its error is about 1e-5."""


def runtime() -> str:
    """What `load` runs a package on here."""
    return CORE_ML if ON_MAC else EVALUATOR


def load(path: Path) -> Runner:
    """The package at `path` as a function of preprocessed images. Raises ArtefactError for a damaged one, ToolchainError.

    A package that normalises by itself gets the 8-bit pixels that the preprocessed image was made from.
    """
    normalization = package.normalization(path)
    if ON_MAC:
        return _core_ml(path, normalization)
    evaluate = _evaluator(path)
    if normalization is None:
        return evaluate
    return lambda images: evaluate(pixels(images, normalization))


def pixels(images: np.ndarray, normalization: Normalization) -> np.ndarray:
    """The 8-bit values, as float32 of the same shape (B, 3, H, W), that `normalization` turns into `images`.

    Raises ArtefactError for images that do not come from 8-bit pixels.
    """
    import numpy as np

    mean, std = (np.array(values)[:, None, None] for values in (normalization.mean, normalization.std))
    exact = (images * std + mean) * 255
    rounded = exact.round()
    if abs(exact - rounded).max() > LARGEST_ROUNDING or rounded.min() < 0 or rounded.max() > 255:
        raise ArtefactError(
            got="images that no 8-bit image gives when it is normalised as the package does",
            allowed="images preprocessed with the package's own mean and std",
            do="preprocess as the manifest's input section says",
        )
    return np.asarray(rounded, np.float32)


def _evaluator(path: Path) -> Runner:
    from converters.coreml.evaluator import Evaluator

    return Evaluator(path)


def _core_ml(path: Path, normalization: Normalization | None, units: str = UNITS[0]) -> Runner:
    """The package in coremltools' MLModel, which compiles and runs it with the system's Core ML on these compute units."""
    import numpy as np
    from PIL import Image

    try:
        ct = toolchain.load()
        model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[units])
    except Exception as error:  # whatever the system's compiler reports
        raise ToolchainError(
            got=f"Core ML refusing {path} ({type(error).__name__}: {error})",
            allowed="a package for this or an older release of macOS",
            do="update macOS, or convert for an older release",
        ) from error

    description = model.get_spec().description
    image_name = description.input[0].name
    (scores,) = (feature.name for feature in description.output if feature.type.WhichOneof("Type") == "multiArrayType")

    def feed(image: np.ndarray) -> Any:
        if normalization is None:
            return image[np.newaxis].astype(np.float32)
        planes = pixels(image[np.newaxis], normalization)[0]
        return Image.fromarray(planes.transpose(1, 2, 0).astype(np.uint8), "RGB")

    def run(images: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [result[scores] for result in model.predict([{image_name: feed(image)} for image in images])]
        )

    return run
