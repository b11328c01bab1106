"""Which images calibrate, which judge, and how they are preprocessed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calib.datasets import ImageDataset
from calib.errors import DataError
from calib.kept import KeptDataset, batches
from calib.preprocess import Preprocess
from calib.sources.bundled import Bundled, bundled_preprocess, open_bundled
from calib.splits import Selection, select_calibration, select_held_out
from evit_mobile.images.published import default_preprocess
from evit_mobile.progress import Pace, Report, silent
from evit_mobile.spec import ModelSpec, Task
from evit_mobile.thresholds import MIN_IMAGES

CALIBRATION_IMAGES = {Task.CLASSIFICATION: 256, Task.MULTILABEL: 256, Task.SEGMENTATION: 32, Task.FEATURES: 256}
BATCH = 16
BATCH_PIXELS = 64 * 224 * 224
"""No batch holds more: one image of 1024x2048 takes as much memory as forty of 224x224."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """A selection of one dataset, with its preprocessing."""

    dataset: ImageDataset
    selection: Selection
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.selection)

    @property
    def digest(self) -> str:
        return self.selection.digest(self.preprocess)

    def labels(self, classes: int) -> NDArray[np.int64] | None:
        """(N,) true classes; None without labels. A model of one class decides between two, 0 and 1.

        Raises DataError when a label does not fit `classes` classes.
        """
        if self.selection.labels is None:
            return None
        classes = max(classes, 2)
        labels = np.array(self.selection.labels, np.int64)
        if labels.max() >= classes:
            raise DataError(
                got=f"label {labels.max()} in {self.dataset.source} for a model of {classes} classes",
                allowed=f"labels 0..{classes - 1}",
                do="pass the images of this model's task, or a folder without labels",
            )
        return labels

    def batches(self, size: int = BATCH, start: int = 0) -> Iterator[NDArray[np.float32]]:
        """Preprocessed images from position `start` on, float32 (B, 3, H, W), in order; B is `size`, or less where they are large."""
        fitting = affordable(size, BATCH_PIXELS, math.prod(self.preprocess.size))
        return batches(self.dataset, self.selection.indices[start:], self.preprocess, fitting)

    def limited(self, count: int) -> Images:
        """The first `count` images."""
        chosen, labels = self.selection, self.selection.labels
        return replace(
            self,
            selection=replace(
                chosen,
                indices=chosen.indices[:count],
                contents=chosen.contents[:count],
                labels=None if labels is None else labels[:count],
            ),
        )

    def first(self, count: int) -> NDArray[np.float32]:
        """The first `count` images, or fewer where images are large, float32 (B, 3, H, W)."""
        return next(self.batches(count))


def affordable(most: int, budget: int, each: int) -> int:
    """How many of `most` things that cost `each` the budget pays for; one at least."""
    return max(1, min(most, budget // each))


def preprocess_for(spec: ModelSpec, *, bundled: bool) -> Preprocess:
    """Preprocessing of the bundled checkpoints, or the one timm publishes for the variant."""
    return bundled_preprocess(spec.size) if bundled else default_preprocess(spec)


def calibration_images(
    source: ImageDataset | None,
    preprocess: Preprocess,
    seed: int,
    count: int = CALIBRATION_IMAGES[Task.CLASSIFICATION],
    *,
    minimum: int = 1,
    report: Report = silent,
) -> Images:
    """Images to calibrate with, or to recover with: of the bundled training sample, or the calibration side of `source`.

    Raises DataError for fewer than `minimum`.
    """
    opened = open_bundled(Bundled.CALIBRATION) if source is None else source
    dataset = KeptDataset(opened, preprocess)
    told = Pace(report, "reading images to calibrate with", count)
    selection = select_calibration(dataset, count, seed=seed, minimum=minimum, shared=source is not None, progress=told)
    return Images(dataset=dataset, selection=selection, preprocess=preprocess)


def held_out_images(
    source: ImageDataset | None,
    calibration: Images | None,
    preprocess: Preprocess,
    seed: int,
    count: int = MIN_IMAGES[Task.CLASSIFICATION],
    learned: tuple[str, ...] = (),
    *,
    report: Report = silent,
) -> Images:
    """Images to judge with, of the bundled test set or of `source`: none that calibrated, none whose content is in `learned`. Where
    `calibration` is of the same source, images that were decoded for it are not decoded again.
    """
    opened = open_bundled(Bundled.TEST) if source is None else source
    dataset: ImageDataset = KeptDataset(opened, preprocess)
    if calibration is not None and calibration.dataset.source == opened.source:
        dataset = calibration.dataset
    nothing = Selection(source="", indices=(), contents=(), labels=None)
    used = nothing if calibration is None else calibration.selection
    used = replace(used, contents=(*used.contents, *learned))
    told = Pace(report, "reading images to judge with", count)
    selection = select_held_out(dataset, used, count, seed=seed, progress=told)
    return Images(dataset=dataset, selection=selection, preprocess=preprocess)


def everything(source: ImageDataset | None, preprocess: Preprocess, limit: int | None) -> Images:
    """All images of `source`, or of the bundled test set, in their own order; only the first `limit` where given."""
    dataset = open_bundled(Bundled.TEST) if source is None else source
    indices = tuple(range(len(dataset)))[:limit]
    labels = None if dataset.labels is None else tuple(int(dataset.labels[index]) for index in indices)
    return Images(
        dataset=dataset,
        selection=Selection(source=dataset.source, indices=indices, contents=(), labels=labels),
        preprocess=preprocess,
    )
