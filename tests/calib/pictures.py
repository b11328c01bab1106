"""Small images in files and folders, and what a dataset of them gives."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from calib.datasets import ImageDataset
from calib.opening import open_dataset

HEIC = b"\0\0\0\x18ftypheic" + bytes(40)
"""What a HEIC file begins with."""


def picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6, 3), value, np.uint8)).save(path)


def values(dataset: ImageDataset) -> list[int]:
    return [int(np.asarray(dataset.item(index)).flat[0]) for index in range(len(dataset))]


def labels_of(path: Path, names: list[str]) -> list[int]:
    labels = open_dataset(path, class_names=names).labels
    assert labels is not None
    return labels.tolist()


def class_folders(folder: Path, *names: str) -> Path:
    for name in names:
        picture(folder / name / "1.png")
    return folder


def png_bytes(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 6), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def iphone_folder(folder: Path, *, heic: int, jpeg: int) -> Path:
    for index in range(heic):
        (folder / f"IMG_{index}.HEIC").write_bytes(HEIC)
    for index in range(jpeg):
        picture(folder / f"IMG_{heic + index}.jpg")
    return folder
