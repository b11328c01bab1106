"""Runs a written .mlpackage: in Core ML itself on a Mac, in the reference evaluator elsewhere.

A package with a function for each of several sizes runs the one whose size the images have.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Runner
from converters.coreml import package, toolchain
from converters.errors import ArtefactError, ToolchainError
from converters.interface import Normalization, function_name, pixels

if TYPE_CHECKING:
    import numpy as np

ON_MAC = sys.platform == "darwin"
CORE_ML = "Core ML"
UNITS = ("ALL", "CPU_AND_NE", "CPU_ONLY")
"""Compute units that Core ML may be held to; validation leaves it all of them."""
EVALUATOR = f"the reference evaluator on {'macOS' if ON_MAC else 'Linux'}"


def runtime() -> str:
    """What `load` runs a package on here."""
    return CORE_ML if ON_MAC else EVALUATOR


def load(path: Path, *, evaluated: bool | None = None) -> Runner:
    """The package at `path` as a function of preprocessed images, run by our evaluator, by Core ML, or as is usual here.
    Raises ArtefactError for a damaged one, ToolchainError.

    A package that normalises by itself gets the 8-bit pixels that the preprocessed image was made from. Its runner raises
    ArtefactError for images of a size that the package has not.
    """
    normalization = package.normalization(path)
    on_core_ml = ON_MAC if evaluated is None else not evaluated
    if on_core_ml:
        names = list(package.read(path).descriptions)
        runners = {name: _core_ml(path, normalization, name=name if len(names) > 1 else None) for name in names}
    else:
        runners = {name: _evaluator(path, run, normalization) for name, run in package.load_functions(path).items()}
    if len(runners) == 1:
        return next(iter(runners.values()))
    return lambda images: _of_size(runners, images)(images)


def _of_size(runners: dict[str, Runner], images: np.ndarray) -> Runner:
    """The runner for images (B, 3, H, W). Raises ArtefactError where there is none of their size."""
    name = function_name(*images.shape[2:])
    if name not in runners:
        raise ArtefactError(
            got=f"images for a function {name}",
            allowed=f"images for one of {', '.join(runners)}",
            do="resize and crop to a size that the package was written for",
        )
    return runners[name]


def _evaluator(path: Path, function: Any, normalization: Normalization | None) -> Runner:
    from converters.coreml.evaluator import Evaluator

    evaluate = Evaluator(path, function)
    if normalization is None:
        return evaluate
    return lambda images: evaluate(pixels(images, normalization))


def _core_ml(path: Path, normalization: Normalization | None, units: str = UNITS[0], name: str | None = None) -> Runner:
    """The package in coremltools' MLModel, which compiles and runs it with the system's Core ML on these compute units: its
    function `name`, or the only one.
    """
    import numpy as np
    from PIL import Image

    try:
        ct = toolchain.load()
        chosen = {} if name is None else {"function_name": name}
        model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[units], **chosen)
    except Exception as error:  # whatever the system's compiler reports
        raise ToolchainError(
            got=f"Core ML refusing {path} ({type(error).__name__}: {error})",
            allowed="a package for this or an older release of macOS",
            do="update macOS, or convert for an older release",
        ) from error

    members = package.read(path).descriptions
    description = next(iter(members.values())) if name is None else members[name]
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
