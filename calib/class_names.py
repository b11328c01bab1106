"""Which class a word of a dataset (a folder's name, a label in a list) stands for, where the names of the classes are known."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from calib.errors import DataError

NOT_IN_FILE_NAMES = re.compile(r'[/\\:*?"<>|]')
SUBSTITUTES = ("-", "_", " ", "")
NAMED = 20
"""The most names that an error lists."""


def class_indices(words: Sequence[str], names: Sequence[str], *, what: str, source: str) -> list[int]:
    """Index of the class that each word names; words that are all numbers, and no names, are the indices themselves.

    A name is also met by its spelling with what file names cannot have left out or replaced, as T-shirt-top for T-shirt/top.
    Raises DataError for a word that names no class or two, calling it a `what` of `source`.
    """
    spelled: defaultdict[str, set[int]] = defaultdict(set)
    for index, name in enumerate(names):
        for spelling in spellings(name):
            spelled[spelling].add(index)
    distinct = {word: spelled.get(unicodedata.normalize("NFC", word), set()) for word in sorted(set(words))}
    if not any(distinct.values()) and all(word.isdecimal() for word in distinct):
        return [int(word) for word in words]
    for word, indices in distinct.items():
        exact = {index for index in indices if names[index] == word}
        distinct[word] = exact or indices
        if len(distinct[word]) != 1:
            raise _misnamed(f"{what} {word!r} in {source}", indices, names)
    return [next(iter(distinct[word])) for word in words]


def spellings(name: str) -> set[str]:
    """`name` itself, and how a file system may have it written."""
    composed = unicodedata.normalize("NFC", name)
    return {composed, *(NOT_IN_FILE_NAMES.sub(other, composed) for other in SUBSTITUTES)}


def listed(names: Sequence[str]) -> str:
    """Names in words; only the first of very many."""
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown}, ... ({len(names)} in all)"


def _misnamed(got: str, indices: set[int], names: Sequence[str]) -> DataError:
    why = f"which is the name of {len(indices)} classes" if indices else "which is no class of the model"
    return DataError(
        got=f"{got}, {why}",
        allowed=f"the classes {listed(names)}; some of them are enough",
        do="rename or remove it; or give the images without classes, as one folder; or say the model's names (--labels FILE)",
    )
