"""A dataset whose images are decoded once: their content digests and what they became are kept in memory.

Choosing images needs every candidate's digest, and a conversion then runs over the chosen ones ten times. A photo of 12 megapixels
takes a tenth of a second to decode, the 8-bit crop that the network sees is a few hundred kB.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from calib.datasets import ImageDataset, Labels
from calib.errors import DataError
from calib.images import Picture, content_digest
from calib.preprocess import Preprocess

BUDGET_BYTES = 1 << 29
"""Of all crops together: thousands of 224x224, some eighty of 1024x2048. What is beyond is decoded again."""


class KeptDataset:
    """`dataset`, as an ImageDataset, with the crops that `preprocess` makes of images whose content was looked at. Images may be
    looked at on several threads, each on one."""

    def __init__(self, dataset: ImageDataset, preprocess: Preprocess, budget_bytes: int = BUDGET_BYTES) -> None:
        self._dataset, self._preprocess, self._budget = dataset, preprocess, budget_bytes
        self._contents: dict[int, str] = {}
        self._crops: dict[tuple[int, Preprocess], NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    @property
    def source(self) -> str:
        return self._dataset.source

    @property
    def labels(self) -> Labels | None:
        return self._dataset.labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self._dataset.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        return self._dataset.notes

    def __len__(self) -> int:
        return len(self._dataset)

    def item(self, index: int) -> Picture:
        return self._dataset.item(index)

    def digest(self) -> str:
        return self._dataset.digest()

    def content(self, index: int) -> str:
        """The content digest of the image at `index`. Raises DataError naming an image that cannot be read."""
        if index not in self._contents:
            picture = self._dataset.item(index)
            self._contents[index] = content_digest(picture)
            with contextlib.suppress(DataError):  # it may never be chosen; if it is, `pixels` says what is wrong
                self._keep(index, self._preprocess, self._preprocess.pixels(picture))
        return self._contents[index]

    def pixels(self, index: int, preprocess: Preprocess) -> NDArray[np.uint8]:
        """`preprocess.pixels` of the image at `index`. Raises DataError."""
        found = self._crops.get((index, preprocess))
        if found is None:
            found = preprocess.pixels(self._dataset.item(index))
            self._keep(index, preprocess, found)
        return found

    def _keep(self, index: int, preprocess: Preprocess, crop: NDArray[np.uint8]) -> None:
        with self._lock:
            if self._budget >= crop.nbytes:
                self._budget -= crop.nbytes
                self._crops[index, preprocess] = np.ascontiguousarray(crop)


def content_of(dataset: ImageDataset, index: int) -> str:
    """The content digest of an image, decoded once where it is kept. Raises DataError."""
    return dataset.content(index) if isinstance(dataset, KeptDataset) else content_digest(dataset.item(index))


def pixels_of(dataset: ImageDataset, index: int, preprocess: Preprocess) -> NDArray[np.uint8]:
    """`preprocess.pixels` of an image, decoded once where it is kept. Raises DataError."""
    return (
        dataset.pixels(index, preprocess)
        if isinstance(dataset, KeptDataset)
        else preprocess.pixels(dataset.item(index))
    )


def batches(
    dataset: ImageDataset, indices: Sequence[int], preprocess: Preprocess, batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """Preprocessed images in the order of `indices`: fresh float32 (B, C, H, W) arrays, the last one possibly shorter.

    Raises DataError naming an image that cannot be read.
    """
    for start in range(0, len(indices), batch_size):
        chosen = indices[start : start + batch_size]
        batch = np.empty((len(chosen), preprocess.channels, *preprocess.size), np.float32)
        for row, index in enumerate(chosen):
            preprocess.normalize(pixels_of(dataset, int(index), preprocess), out=batch[row])
        yield batch
