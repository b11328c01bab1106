"""load(): a written artefact as an object that is called with images. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib.images import Picture, open_image
from calib.preprocess import Preprocess
from converters.contract import Runner
from converters.errors import ArtefactError, ToolchainError
from converters.files import sha256
from converters.registry import artefact_target, find_judge, find_target
from evit_mobile.errors import UsageError
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import FILE_NAME
from evit_mobile.validation.judges import judges_for
from evit_mobile.validation.oldest import require_runtimes

if TYPE_CHECKING:
    from torch import Tensor

Photo = Picture | Path | str
"""A Pillow image, uint8 pixels (H, W, 3), or the path of an image file; of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedArtefact:
    """A written artefact, open in `runtime`. What the manifest beside it says: `labels`, the class names in the order of the logits,
    `preprocess`, by which photos become its input, and `sizes` (height, width) of the images that it takes. Without one these are
    empty and None.
    """

    path: Path
    runtime: str
    labels: tuple[str, ...] = ()
    preprocess: Preprocess | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    runner: Runner = field(repr=False)

    def __call__(self, images: NDArray[np.float32] | Tensor | Sequence[Photo]) -> NDArray[np.float32]:
        """Logits (N, classes); of a dense model (N, channels, height, width); probabilities of a file that gives these.

        `images` are preprocessed floats (N, 3, H, W), an array or a tensor on the CPU, or a list of photos, which are preprocessed as
        the manifest says. Raises UsageError for anything else, DataError for a photo that cannot be read, and what the runtime raises.
        """
        batch = self.preprocessed(images) if isinstance(images, Sequence) else floats(images)
        if self.sizes and batch.shape[2:] not in self.sizes:
            raise UsageError(
                got=f"images of {batch.shape[2]}x{batch.shape[3]} pixels for {self.path.name}",
                allowed=" or ".join(f"{height}x{width}" for height, width in self.sizes),
                do="preprocess them for that size, or pass a list of photos",
            )
        return self.runner(batch)

    def preprocessed(self, photos: Sequence[Photo]) -> NDArray[np.float32]:
        """(N, 3, H, W): the model's input for a list of photos, of its usual size. Raises UsageError, DataError."""
        if self.preprocess is None:
            raise UsageError(
                got=f"photos for {self.path.name}, without a {FILE_NAME} that lists it",
                allowed="an artefact in the folder that `convert` wrote, whose manifest says how photos become its input",
                do="load it from there, or pass floats (N, 3, H, W)",
            )
        if isinstance(photos, str) or not photos:
            raise UsageError(
                got=f"{photos!r} as photos", allowed="a list of one photo or more", do="pass for example [path]"
            )
        return np.stack([self.preprocess(opened(photo)) for photo in photos])


def load(path: Path | str, on: str | None = None) -> LoadedArtefact:
    """Opens a written artefact to run it here, as `load(path)(images)` -> logits.

    `on` is one of the judges of its format (`evit-mobile doctor`), by default the first that is ready. The manifest beside the file is
    read where there is one. Raises ArtefactError for a damaged file or one that is not as its manifest says, UnknownTargetError,
    ToolchainError without a runtime, and UsageError for one that is too old.
    """
    path = Path(path)
    format = artefact_target(path)
    if on is None:
        (judge,) = judges_for(find_target(format)).values()
    else:
        judge = find_judge(on, format)
    missing = judge.missing()
    if missing is not None:
        raise ToolchainError(got=f"{path} without {judge.runtime}", allowed="an installed runtime", do=missing)
    return LoadedArtefact(path=path, runtime=judge.runtime, runner=judge.load(path), **recorded(path))


def recorded(path: Path) -> dict[str, Any]:
    """What the manifest beside an artefact says of it; nothing where there is none, or none that lists it.

    Raises ArtefactError for another file than the one that it lists, UsageError for a runtime that is too old for that.
    """
    if not (path.parent / FILE_NAME).exists():
        return {}
    manifest = read_manifest(path.parent)
    entries = [entry for entry in manifest.artefacts if path.parent / entry.path == path]
    if not entries:
        return {}
    require_runtimes(entries)
    if entries[0].sha256 != sha256(path):
        raise ArtefactError(
            got=f"{path}, whose sha256 differs from the manifest's",
            allowed="the file that was written",
            do="convert again, or move it away from the manifest",
        )
    return {
        "labels": manifest.labels,
        "preprocess": manifest.input.preprocess,
        "sizes": tuple(one.size for one in entries[0].sizes) or (manifest.input.size,),
    }


def floats(images: NDArray[np.float32] | Tensor) -> NDArray[np.float32]:
    """Preprocessed images as float32 (N, 3, H, W). Raises UsageError for another shape or for integers."""
    detached = images if isinstance(images, np.ndarray) else getattr(images, "detach", lambda: images)()
    array = np.asarray(detached)
    if array.ndim != 4 or array.shape[1] != 3 or not len(array) or array.dtype.kind != "f":
        raise UsageError(
            got=f"images of shape {array.shape} and dtype {array.dtype}",
            allowed="preprocessed floats (N, 3, H, W), or a list of photos",
            do="correct the images",
        )
    return np.ascontiguousarray(array, np.float32)


def opened(photo: Photo) -> Picture:
    """The image of a photo. Raises DataError for a file that cannot be read."""
    return open_image(Path(photo)) if isinstance(photo, Path | str) else photo
