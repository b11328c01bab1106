"""Parquet files as dataset hubs write them: a column of encoded images, a column of class indices. Needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calib.datasets import EncodedDataset, Labels
from calib.errors import DataError

IMAGE_COLUMNS = ("image", "img", "images")
LABEL_COLUMNS = ("label", "labels", "fine_label")


def open_parquet(path: Path, class_names: tuple[str, ...] | None = None) -> EncodedDataset:
    """The first of IMAGE_COLUMNS (bytes, or a struct with a `bytes` field) and of LABEL_COLUMNS. Raises DataError."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(
            got=f"{path}, and no pyarrow to read it",
            allowed="parquet files where pyarrow is installed",
            do="pip install evit-mobile[parquet], or export the images to a folder",
        ) from error
    try:
        file = parquet.ParquetFile(path)
        columns = file.schema_arrow.names
        image_column = next((name for name in IMAGE_COLUMNS if name in columns), None)
        label_column = next((name for name in LABEL_COLUMNS if name in columns), None)
        wanted = [name for name in (image_column, label_column) if name is not None]
        table = file.read(columns=wanted).to_pydict()
    except (ArrowException, OSError) as error:
        raise _wrong(path, f"an unreadable file ({type(error).__name__}: {error})") from error
    if image_column is None:
        raise _wrong(path, f"columns {', '.join(columns)}")
    return EncodedDataset(
        source=str(path),
        encoded=tuple(_image_bytes(path, row, value) for row, value in enumerate(table[image_column])),
        labels=None if label_column is None else _class_indices(path, table[label_column]),
        class_names=class_names,
    )


def _image_bytes(path: Path, row: int, value: Any) -> bytes:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise _wrong(path, f"row {row} without image bytes")
    return content


def _class_indices(path: Path, values: list[Any]) -> Labels:
    if not all(isinstance(value, int) for value in values):
        raise _wrong(path, "labels that are not all integers")
    return np.array(values, np.int64)


def _wrong(path: Path, what: str) -> DataError:
    return DataError(
        got=f"{what}, in {path}",
        allowed=f"images under one of {', '.join(IMAGE_COLUMNS)} (bytes, or a struct with bytes), integer labels under "
        f"one of {', '.join(LABEL_COLUMNS)}",
        do="export the images to a folder",
    )
