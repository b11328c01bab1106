"""Parquet files as dataset hubs write them: a column of encoded images, a column of classes, as indices or names. Needs pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from calib.class_names import class_indices
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
        own_names = declared_names(file.schema_arrow.metadata or {}, label_column)
    except (ArrowException, OSError) as error:
        raise _wrong(path, f"an unreadable file ({type(error).__name__}: {error})") from error
    if image_column is None:
        raise _wrong(path, f"columns {', '.join(columns)}")
    labels, names = None, class_names
    if label_column is not None:
        labels, names = _class_indices(path, table[label_column], own_names, class_names)
    return EncodedDataset(
        source=str(path),
        encoded=tuple(_image_bytes(path, row, value) for row, value in enumerate(table[image_column])),
        labels=labels,
        class_names=names,
    )


def declared_names(metadata: dict[bytes, bytes], column: str | None) -> tuple[str, ...] | None:
    """Names of the classes in the order of their indices, where the file declares them as the library `datasets` does."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _image_bytes(path: Path, row: int, value: Any) -> bytes:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise _wrong(path, f"row {row} without image bytes")
    return content


def _class_indices(
    path: Path, values: list[Any], own_names: tuple[str, ...] | None, class_names: tuple[str, ...] | None
) -> tuple[Labels, tuple[str, ...] | None]:
    """Indices of the classes in the order of `class_names`, else of the file's own, and these names."""
    if own_names is not None and all(isinstance(value, int) and 0 <= value < len(own_names) for value in values):
        values = [own_names[value] for value in values]
    if all(isinstance(value, int) for value in values):
        return np.array(values, np.int64), class_names
    names = class_names or own_names
    if names is None or not all(isinstance(value, str) for value in values):
        raise _wrong(path, "labels that are not all integers, nor names of known classes")
    return np.array(class_indices(values, names, what="class", source=str(path)), np.int64), names


def _wrong(path: Path, what: str) -> DataError:
    return DataError(
        got=f"{what}, in {path}",
        allowed=f"images under one of {', '.join(IMAGE_COLUMNS)} (bytes, or a struct with bytes), labels under "
        f"one of {', '.join(LABEL_COLUMNS)}",
        do="export the images to a folder",
    )
