"""A folder of images: flat and unlabelled, or one sub-folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.class_names import class_indices
from calib.datasets import FileDataset
from calib.errors import DataError
from calib.images import SUFFIXES


def open_folder(folder: Path, class_names: tuple[str, ...] | None = None) -> FileDataset:
    """Images directly in `folder` are unlabelled; otherwise every sub-folder is a class and is searched recursively.

    Classes are the sub-folders in the order of their names; with `class_names` those that they name, some or all. Hidden files and
    files without an image suffix are not looked at. Raises DataError for an empty folder, images beside sub-folders with images, an
    empty class, and a sub-folder with images that `class_names` does not list.
    """
    flat = tuple(sorted(path for path in folder.iterdir() if _is_image(path)))
    classes = {path.name: _images_below(path) for path in sorted(folder.iterdir()) if _is_class(path)}
    filled = [name for name, paths in classes.items() if paths]
    if not flat and not filled:
        raise DataError(
            got=f"folder {folder} with no images",
            allowed=f"images ({', '.join(sorted(SUFFIXES))}), in the folder or in one sub-folder per class",
            do="add images or correct the path",
        )
    if flat and filled:
        raise DataError(
            got=f"folder {folder} with images beside sub-folders of images ({flat[0].name}, {filled[0]}/)",
            allowed="either images only, or one sub-folder per class",
            do="move the images into their classes",
        )
    if flat:
        return FileDataset(source=str(folder), paths=flat, class_names=class_names)
    return _labelled(folder, classes, class_names)


def _labelled(folder: Path, classes: dict[str, list[Path]], class_names: tuple[str, ...] | None) -> FileDataset:
    empty = [name for name, paths in classes.items() if not paths]
    if empty and class_names is None:
        raise DataError(
            got=f"class folder {empty[0]!r} in {folder} with no images",
            allowed="at least one image per class",
            do="add images or remove the folder",
        )
    filled = {name: paths for name, paths in classes.items() if paths}
    names = tuple(filled) if class_names is None else class_names
    indices = class_indices(list(filled), names, what="class folder", source=str(folder))
    return FileDataset(
        source=str(folder),
        paths=tuple(path for paths in filled.values() for path in paths),
        labels=np.repeat(np.array(indices, np.int64), [len(paths) for paths in filled.values()]),
        class_names=names,
    )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _images_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_image(path))
