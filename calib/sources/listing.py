"""A text file that lists images: path[<TAB>label] per line, paths relative to the file; '#' starts a comment line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.class_names import class_indices
from calib.datasets import FileDataset, Labels
from calib.errors import DataError


def open_listing(listing: Path, class_names: tuple[str, ...] | None = None) -> FileDataset:
    """Labels are class names (in `class_names`' order, or sorted), or class indices if every one is an integer.

    Raises DataError naming the line for a missing image, a label on some lines only, and an unknown class.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(listing, f"an unreadable list ({type(error).__name__}: {error})") from error
    rows = [(number, *_split(line)) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    paths = tuple(_existing(listing, number, name) for number, name, _ in rows)
    unlabelled = [number for number, _, label in rows if label is None]
    words = [label for _, _, label in rows if label is not None]
    if not words:
        return FileDataset(source=str(listing), paths=paths, class_names=class_names)
    if unlabelled:
        raise _wrong(listing, f"line {unlabelled[0]} without a label, where others have one")
    labels, names = _class_indices(listing, words, class_names)
    return FileDataset(source=str(listing), paths=paths, labels=labels, class_names=names)


def _split(line: str) -> tuple[str, str | None]:
    name, tab, label = line.partition("\t")
    return name.strip(), label.strip() if tab and label.strip() else None


def _existing(listing: Path, number: int, name: str) -> Path:
    path = listing.parent / name
    if not path.is_file():
        raise _wrong(listing, f"line {number} naming {name}, which does not exist")
    return path


def _class_indices(
    listing: Path, words: list[str], class_names: tuple[str, ...] | None
) -> tuple[Labels, tuple[str, ...] | None]:
    if class_names is None and all(word.isdecimal() for word in words):
        return np.array([int(word) for word in words], np.int64), None
    names = tuple(sorted(set(words))) if class_names is None else class_names
    return np.array(class_indices(words, names, what="class", source=str(listing)), np.int64), names


def _wrong(listing: Path, what: str) -> DataError:
    return DataError(
        got=f"{what}, in {listing}",
        allowed="UTF-8 lines of an existing image's path, with a tab and a class index or name on all of them or none",
        do="correct the list",
    )
