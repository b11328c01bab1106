"""Datasets: what every source of images looks like once it is open."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.images import Picture, decode_image, open_image, read_bytes

Labels = NDArray[np.int64]


class ImageDataset(Protocol):
    """Images by position, with or without labels. Opening one checks names and counts; `item` decodes."""

    @property
    def source(self) -> str:
        """Where it comes from, for manifests: an absolute path or "bundled:...". Equal means the same data."""

    @property
    def labels(self) -> Labels | None:
        """(N,) class indices, or None for unlabelled images."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names in the order of the class indices, or None where the source has none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the source, a sentence each, as that files were not read."""

    def __len__(self) -> int: ...

    def item(self, index: int) -> Picture:
        """The image at `index`, 0 <= index < len. Raises DataError naming an image that cannot be read."""

    def digest(self) -> str:
        """SHA-256 over every image's bytes and the labels; reads all of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayDataset:
    """Images in memory (or memory-mapped): (N, H, W), (N, H, W, 3) or (N, H, W, 4), uint8, or float in 0..1.

    A float value v becomes the 8-bit value round(255 v), halves to even.
    """

    source: str
    images: NDArray[Any]
    labels: Labels | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.source, len(self.images), self.labels, self.class_names)

    def __len__(self) -> int:
        return len(self.images)

    def item(self, index: int) -> NDArray[np.uint8]:
        """uint8 (H, W), (H, W, 3) or (H, W, 4)."""
        pixels = np.asarray(self.images[index])
        if pixels.dtype == np.uint8:
            return pixels
        return np.rint(pixels.astype(np.float64) * 255).astype(np.uint8)

    def digest(self) -> str:
        contents = (np.ascontiguousarray(image).tobytes() for image in self.images)
        head = f"{self.images.shape}:{self.images.dtype.str}".encode()
        return _digest([head, _label_bytes(self.labels)], contents)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileDataset:
    """Image files, decoded when asked for."""

    source: str
    paths: tuple[Path, ...]
    labels: Labels | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.source, len(self.paths), self.labels, self.class_names)

    def __len__(self) -> int:
        return len(self.paths)

    def item(self, index: int) -> Picture:
        return open_image(self.paths[index])

    def digest(self) -> str:
        return _digest([_label_bytes(self.labels)], (read_bytes(path) for path in self.paths))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedDataset:
    """Image files' bytes in memory, decoded when asked for."""

    source: str
    encoded: tuple[bytes, ...]
    labels: Labels | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.source, len(self.encoded), self.labels, self.class_names)

    def __len__(self) -> int:
        return len(self.encoded)

    def item(self, index: int) -> Picture:
        return decode_image(self.encoded[index], f"row {index} of {self.source}")

    def digest(self) -> str:
        return _digest([_label_bytes(self.labels)], self.encoded)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relabelled:
    """The images of `dataset` with other labels, or none, and `remarks` beside its own notes."""

    dataset: ImageDataset
    labels: Labels | None = None
    class_names: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.source, len(self), self.labels, self.class_names)

    @property
    def source(self) -> str:
        return self.dataset.source

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.dataset.notes, *self.remarks)

    def __len__(self) -> int:
        return len(self.dataset)

    def item(self, index: int) -> Picture:
        return self.dataset.item(index)

    def digest(self) -> str:
        return _digest([self.dataset.digest().encode(), _label_bytes(self.labels)], ())


def check_labels(source: str, count: int, labels: Labels | None, class_names: tuple[str, ...] | None) -> None:
    """Raises DataError unless there is an image, a label for each, and a class for each label."""
    if count == 0:
        raise DataError(
            got=f"{source} with no images", allowed="at least one image", do="add images or correct the path"
        )
    if labels is None:
        return
    if len(labels) != count:
        raise DataError(
            got=f"{count} images but {len(labels)} labels in {source}",
            allowed="as many labels as images",
            do="regenerate the labels",
        )
    classes = None if class_names is None else len(class_names)
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        raise DataError(
            got=f"labels {labels.min()}..{labels.max()} in {source}",
            allowed="labels from 0 up" if classes is None else f"labels 0..{classes - 1}, for {classes} classes",
            do="correct the labels or the class names",
        )


def _label_bytes(labels: Labels | None) -> bytes:
    return b"unlabelled" if labels is None else labels.astype("<i8").tobytes()


def _digest(heads: Sequence[bytes], contents: Iterator[bytes] | Sequence[bytes]) -> str:
    """SHA-256 over length-prefixed parts, so that moving a byte from one part to the next changes it."""
    digest = hashlib.sha256()
    for parts in (heads, contents):
        for part in parts:
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
