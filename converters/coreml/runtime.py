"""Runs a written .mlpackage: in Core ML itself on a Mac, in the reference evaluator elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from converters.contract import Runner
from converters.coreml import package, toolchain
from converters.errors import ToolchainError

if TYPE_CHECKING:
    import numpy as np

ON_MAC = sys.platform == "darwin"
CORE_ML = "Core ML"
EVALUATOR = "the reference evaluator on Linux"


def runtime() -> str:
    """What `load` runs a package on here."""
    return CORE_ML if ON_MAC else EVALUATOR


def load(path: Path) -> Runner:
    """The package at `path` as a function of images. Raises ArtefactError for a damaged one, ToolchainError."""
    return _core_ml(path) if ON_MAC else _evaluator(path)


def _evaluator(path: Path) -> Runner:
    from converters.coreml.evaluator import Evaluator

    return Evaluator(path)


def _core_ml(path: Path) -> Runner:
    """The package in coremltools' MLModel, which compiles and runs it with the system's Core ML."""
    import numpy as np

    package.read(path)
    try:
        model = toolchain.load().models.MLModel(str(path))
    except Exception as error:  # whatever the system's compiler reports
        raise ToolchainError(
            got=f"Core ML refusing {path} ({type(error).__name__}: {error})",
            allowed="a package for this or an older release of macOS",
            do="update macOS, or convert for an older release",
        ) from error
    specification = model.get_spec().description
    image, logits = specification.input[0].name, specification.output[0].name

    def run(images: np.ndarray) -> np.ndarray:
        batch = [{image: one[np.newaxis].astype(np.float32)} for one in images]
        return np.concatenate([result[logits] for result in model.predict(batch)])

    return run
