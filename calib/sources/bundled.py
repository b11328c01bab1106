"""The images inside the package: Fashion-MNIST's whole test set, and 1,024 training images for calibration."""

from __future__ import annotations

import gzip
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from calib.datasets import ArrayDataset
from calib.preprocess import Interpolation, Preprocess, Resize
from calib.sources.idx import parse_idx


class Bundled(StrEnum):
    """CALIBRATION images are part of the training set, TEST images are not."""

    CALIBRATION = "calibration"
    TEST = "t10k"


def open_bundled(which: Bundled) -> ArrayDataset:
    """28x28 grey images with labels and class names."""
    return ArrayDataset(
        source=f"bundled:fashion-mnist/{which}",
        images=_read(f"{which}-images-idx3-ubyte.gz", 3),
        labels=_read(f"{which}-labels-idx1-ubyte.gz", 1).astype(np.int64),
        class_names=bundled_class_names(),
    )


def bundled_class_names() -> tuple[str, ...]:
    """Fashion-MNIST's ten classes, in the order of their indices."""
    return tuple(files("calib").joinpath("data", "labels.txt").read_text("utf-8").splitlines())


def bundled_preprocess(size: tuple[int, int] = (224, 224)) -> Preprocess:
    """How the bundled checkpoints were trained: squashed to `size` (height, width), bilinear, ImageNet mean and std."""
    return Preprocess(size=size, resize=Resize.SQUASH, interpolation=Interpolation.BILINEAR)


@cache
def _read(name: str, dimensions: int) -> NDArray[np.uint8]:
    """Values that nobody can change, unpacked once: 8 MB in a fortieth of a second."""
    with files("calib").joinpath("data", name).open("rb") as raw, gzip.GzipFile(fileobj=raw) as stream:
        return parse_idx(cast(BinaryIO, stream), dimensions, f"the bundled {name}")
