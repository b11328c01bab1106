"""Which operation of a written asset computes something else than the program that it was written from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Precision
from converters.coreai import lower, package
from converters.coreai.child import Child, ChildError
from converters.coreai.runtime import as_pixels, normalization_of
from converters.errors import ArtefactError
from converters.interface import PROBABILITIES, Function, Interface
from converters.traits import StepDifference

if TYPE_CHECKING:
    import numpy as np


def differences(path: Path, function: Function, image: np.ndarray) -> tuple[StepDifference, ...]:
    """The operations of the asset at `path`, for a float32 image (1, 3, H, W), each on what the asset itself gave those before: against
    what PyTorch computes of these for `function`. What a quantum is of floats, converters/coreai/steps.py says.

    Raises ArtefactError for a damaged asset and for one of another program.
    """
    import numpy as np

    own = package.read(path).own
    precision, normalization = _precision(path, own), normalization_of(path)
    interface = Interface(pixels=normalization, classes=own.get("output") == PROBABILITIES)
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder)
        described = lower.job_of(job, {lower.MAIN: function}, precision, interface)
        (job / "job.json").write_text(json.dumps(described), encoding="utf-8")
        np.save(job / "image.npy", np.ascontiguousarray(as_pixels(image, normalization)), allow_pickle=False)
        try:
            steps = json.loads(Child("steps_worker", folder, str(path)).ask())
        except ChildError as error:
            raise ArtefactError(
                got=f"{path}, whose operations cannot be held against its program's ({error})",
                allowed="an asset that was written from it",
                do="convert again",
            ) from error
    return tuple(StepDifference(**step) for step in steps)


def _precision(path: Path, own: dict[str, Any]) -> Precision:
    """What the asset says that it is written in. Raises ArtefactError."""
    stated = own.get("precision")
    if stated not in lower.PRECISIONS:
        raise ArtefactError(
            got=f"{path} with the precision {stated!r} in its metadata",
            allowed=", ".join(lower.PRECISIONS),
            do="convert again",
        )
    return Precision(stated)
