"""idx files, the format of MNIST: two zero bytes, type (8 = unsigned byte), dimensions, sizes (big-endian), values."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from calib.datasets import ArrayDataset
from calib.errors import DataError

_UNSIGNED_BYTE = 8
_IMAGES, _LABELS = ("images", "idx3"), ("labels", "idx1")


def open_idx(path: Path, class_names: tuple[str, ...] | None = None) -> ArrayDataset:
    """Images (N, H, W), with the labels from the file beside it that is named alike (images-idx3 -> labels-idx1).

    Without such a file the images are unlabelled. Raises DataError.
    """
    images = read_idx(path, dimensions=3)
    labels_path = path.with_name(_labels_name(path.name))
    has_labels = labels_path != path and labels_path.is_file()
    labels = read_idx(labels_path, dimensions=1).astype(np.int64) if has_labels else None
    return ArrayDataset(source=str(path), images=images, labels=labels, class_names=class_names)


def _labels_name(images_name: str) -> str:
    for images_word, labels_word in zip(_IMAGES, _LABELS, strict=True):
        images_name = images_name.replace(images_word, labels_word)
    return images_name


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes, gzipped if its name ends in .gz. Raises DataError."""
    try:
        with path.open("rb") as raw:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if path.suffix.lower() == ".gz" else raw
            return parse_idx(stream, dimensions, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(str(path), f"{type(error).__name__}: {error}") from error


def parse_idx(stream: BinaryIO, dimensions: int, name: str) -> NDArray[np.uint8]:
    """The values of an idx stream of that many dimensions, called `name` in errors.

    Never reads more than the header announces and one byte, so a compressed bomb stays small. Raises DataError, and
    whatever `stream` raises when it is damaged.
    """
    header = stream.read(4)
    if header != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
        raise _damaged(name, f"its first bytes are {header.hex(' ') or 'missing'}")
    sizes = stream.read(4 * dimensions)
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, 4 * dimensions, 4))
    expected = math.prod(shape)
    values = stream.read(expected + 1)
    if len(sizes) != 4 * dimensions or len(values) != expected:
        raise _damaged(name, f"it announces {shape} and has {len(values)} values")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _damaged(name: str, reason: str) -> DataError:
    return DataError(
        got=f"unreadable idx file {name} ({reason})",
        allowed="complete idx files of unsigned bytes: images with 3 dimensions, labels with 1",
        do="fetch the file again",
    )
