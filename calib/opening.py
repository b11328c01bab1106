"""How a path becomes a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from calib.datasets import ImageDataset
from calib.errors import DataError

SOURCES = {
    ".npz": "calib.sources.arrays:open_npz",
    ".npy": "calib.sources.arrays:open_npy",
    ".gz": "calib.sources.idx:open_idx",
    ".idx": "calib.sources.idx:open_idx",
    "": "calib.sources.idx:open_idx",  # train-images-idx3-ubyte, as it is distributed unzipped
    ".txt": "calib.sources.listing:open_listing",
    ".tsv": "calib.sources.listing:open_listing",
    ".parquet": "calib.sources.parquet:open_parquet",
}
FOLDER_SOURCE = "calib.sources.folder:open_folder"


def open_dataset(path: Path | str, class_names: Sequence[str] | None = None) -> ImageDataset:
    """Opens whatever `path` is: a folder, .npz, .npy, idx, list file or .parquet (see `calib.sources`).

    `class_names`, usually a manifest's labels, gives the order of the classes; without it the source's own counts.
    Raises DataError for a missing path, an unsupported type, and everything the source finds wrong.
    """
    resolved = Path(path).expanduser().resolve()
    if not resolved.exists():
        raise DataError(got=f"{path}, which does not exist", allowed=_allowed_sources(), do="correct the path")
    if not resolved.is_dir() and resolved.suffix.lower() not in SOURCES:
        raise DataError(
            got=f"{path}, of an unsupported type",
            allowed=_allowed_sources(),
            do="put images into a folder, for example",
        )
    entry = FOLDER_SOURCE if resolved.is_dir() else SOURCES[resolved.suffix.lower()]
    module, _, function = entry.partition(":")
    names = None if class_names is None else tuple(class_names)
    dataset: ImageDataset = getattr(import_module(module), function)(resolved, names)
    return dataset


def _allowed_sources() -> str:
    return "a folder of images, .npz, .npy, idx (.gz), a list file (.txt, .tsv) or .parquet"
