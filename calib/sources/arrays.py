""".npz and .npy files of images."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.datasets import ArrayDataset, Labels
from calib.errors import DataError

IMAGE_KEYS = ("images", "x", "data", "x_test", "x_train", "arr_0")
CHANNELS = (1, 3, 4)
LABEL_KEYS = ("labels", "y", "targets", "y_test", "y_train", "arr_1")
ALLOWED_IMAGES = "uint8, or float in 0..1, of shape (N, H, W), (N, H, W, 1, 3 or 4) or (N, 1, 3 or 4, H, W)"
_DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_VALUES_AT_ONCE = 1 << 22


def open_npz(path: Path, class_names: tuple[str, ...] | None = None) -> ArrayDataset:
    """The first of IMAGE_KEYS, with the first of LABEL_KEYS as labels where there is one. Raises DataError."""
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            keys = tuple(archive.files)
            image_key = next((key for key in IMAGE_KEYS if key in keys), None)
            label_key = next((key for key in LABEL_KEYS if key in keys), None)
            images = None if image_key is None else archive[image_key]
            labels = None if label_key is None else archive[label_key]
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    if images is None:
        raise DataError(
            got=f"{path} with arrays {', '.join(keys) or '(none)'}",
            allowed=f"images under one of {', '.join(IMAGE_KEYS)}",
            do="save it with np.savez(path, images=..., labels=...)",
        )
    return _dataset(path, images, labels, class_names)


def open_npy(path: Path, class_names: tuple[str, ...] | None = None) -> ArrayDataset:
    """Unlabelled images, memory-mapped. Raises DataError."""
    try:
        images = np.lib.format.open_memmap(path, mode="r")
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    return _dataset(path, images, None, class_names)


def _dataset(
    path: Path, images: NDArray[Any], labels: NDArray[Any] | None, class_names: tuple[str, ...] | None
) -> ArrayDataset:
    arranged = _channels_last(path, images)
    _check_values(path, arranged)
    return ArrayDataset(
        source=str(path),
        images=arranged,
        labels=None if labels is None else _class_indices(path, labels),
        class_names=class_names,
    )


def _channels_last(path: Path, images: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W), (N, H, W, 3) or (N, H, W, 4). With one of CHANNELS at both ends, the last axis is taken for the channels."""
    shape = images.shape
    if len(shape) == 3 and shape[2] not in (1, 3):  # a single (H, W, 3) image is no dataset of narrow grey ones
        return images
    if len(shape) == 4 and shape[3] in CHANNELS:
        return images[..., 0] if shape[3] == 1 else images
    if len(shape) == 4 and shape[1] in CHANNELS:
        return images[:, 0] if shape[1] == 1 else images.transpose(0, 2, 3, 1)
    raise DataError(got=f"an array of shape {shape} in {path}", allowed=ALLOWED_IMAGES, do="reshape the array")


def _check_values(path: Path, images: NDArray[Any]) -> None:
    if images.dtype == np.uint8:
        return
    if images.dtype.kind != "f":
        raise DataError(
            got=f"{images.dtype} images in {path}", allowed=ALLOWED_IMAGES, do="convert with .astype(np.uint8)"
        )
    step = max(1, _VALUES_AT_ONCE // max(1, images[0].size)) if len(images) else 1
    for start in range(0, len(images), step):
        part = images[start : start + step]
        low, high = float(part.min()), float(part.max())
        if not (low >= 0 and high <= 1):  # so that NaN fails too
            raise DataError(
                got=f"float images with values in {low:g}..{high:g} in {path}",
                allowed=ALLOWED_IMAGES,
                do="save the images before mean and std are applied",
            )


def _class_indices(path: Path, labels: NDArray[Any]) -> Labels:
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or flat.dtype.kind not in "iu":
        raise DataError(
            got=f"labels of shape {labels.shape} and dtype {labels.dtype} in {path}",
            allowed="integer class indices of shape (N,)",
            do="save class indices",
        )
    return flat.astype(np.int64)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        got=f"unreadable array file {path} ({type(error).__name__}: {error})",
        allowed="complete .npy or .npz files without Python objects",
        do="save it again with np.save or np.savez",
    )
