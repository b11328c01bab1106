"""A folder of images: flat and unlabelled, or one sub-folder per class."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from calib.class_names import class_indices, listed
from calib.datasets import FileDataset
from calib.errors import DataError
from calib.suffixes import readable, unread_note

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "eval"})
"""Names, in lower case, of the parts of a data set."""
CAMERAS = re.compile(r"[1-9]\d\d[A-Z0-9_]{5}")
"""Names that cameras and phones give their folders, as 100APPLE (DCF, JEITA CP-3461)."""


def open_folder(folder: Path, class_names: tuple[str, ...] | None = None) -> FileDataset:
    """Images directly in `folder` are unlabelled; otherwise every sub-folder is a class and is searched recursively.

    Classes are the sub-folders in the order of their names; with `class_names` those that they name, some or all. Hidden files are
    not looked at, and files that look like images and are not read are counted in the notes. Folders of a camera are no classes.

    Raises DataError for a folder without images, for one of the parts of a data set, for images beside sub-folders with images,
    an empty class, and a sub-folder with images that `class_names` does not list.
    """
    suffixes = readable()
    entries = sorted(folder.iterdir())
    below = {path.name: sorted(path.rglob("*")) for path in entries if path.is_dir() and not path.name.startswith(".")}
    flat = tuple(path for path in entries if _is_image(path, suffixes))
    classes = {name: [path for path in paths if _is_image(path, suffixes)] for name, paths in below.items()}
    filled = [name for name, paths in classes.items() if paths]
    unread = unread_note([*entries, *(path for paths in below.values() for path in paths)])
    if not flat and not filled:
        raise DataError(
            got=f"folder {folder} with no images" + (f" that can be read: {unread}" if unread else ""),
            allowed=f"images ({', '.join(sorted(suffixes))}), in the folder or in one sub-folder per class",
            do="add images or correct the path",
        )
    if flat and filled:
        raise DataError(
            got=f"folder {folder} with images beside sub-folders of images ({flat[0].name}, {filled[0]}/)",
            allowed="either images only, or one sub-folder per class",
            do="move the images into their classes",
        )
    notes: tuple[str, ...] = (unread,) if unread else ()
    if flat:
        return FileDataset(source=str(folder), paths=flat, class_names=class_names, notes=notes)
    if not set(filled) & set(class_names or ()):
        _check_parts(folder, filled)
        if all(map(CAMERAS.fullmatch, filled)):
            paths = tuple(path for name in filled for path in classes[name])
            notes += (f"{listed(filled)}: folders of a camera and no classes, their images count as unlabelled",)
            return FileDataset(source=str(folder), paths=paths, class_names=class_names, notes=notes)
    return _labelled(folder, classes, class_names, notes)


def _check_parts(folder: Path, names: list[str]) -> None:
    """Raises DataError for sub-folders that are the parts of a data set."""
    if SPLITS.issuperset(map(str.lower, names)):
        raise DataError(
            got=f"folder {folder} with {', '.join(f'{name}/' for name in names)}, which are parts of a data set and no classes",
            allowed="one part: images only, or one sub-folder per class",
            do=f"pass {folder / names[-1]}",
        )


def _labelled(
    folder: Path, classes: dict[str, list[Path]], class_names: tuple[str, ...] | None, notes: tuple[str, ...]
) -> FileDataset:
    empty = [name for name, paths in classes.items() if not paths]
    if empty and class_names is None:
        raise DataError(
            got="; ".join([f"class folder {empty[0]!r} in {folder} with no images", *notes]),
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
        notes=notes,
    )


def _is_image(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
