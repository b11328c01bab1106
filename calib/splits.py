"""Which images calibrate and which judge: deterministic, class-balanced, and never the same image on both sides.

Images are compared by content (size and RGB pixels), so a copy under another name or in another lossless format counts
as the same image. Where one source serves both sides, the first bit of an image's content digest decides its side: the
same image lands on the same side whatever the seed, the counts, and the other images.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from calib.ahead import AHEAD, ContentsAhead
from calib.datasets import ImageDataset
from calib.errors import DataError
from calib.preprocess import Preprocess

Progress = Callable[[int], None]
"""Is told how many images have been chosen."""


def _untold(_chosen: int) -> None:
    """The Progress of those who do not ask."""


def _anything(_content: str) -> bool:
    """Accepts every image."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Chosen images of one source, classes interleaved. `contents` are the images' content digests (SHA-256, hex)."""

    source: str
    indices: tuple[int, ...]
    contents: tuple[str, ...]
    labels: tuple[int, ...] | None

    def __len__(self) -> int:
        return len(self.indices)

    def digest(self, preprocess: Preprocess) -> str:
        """SHA-256 over every image's content and label, in order, and the preprocessing; independent of file names."""
        content = [self.contents, self.labels, preprocess.to_manifest()]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def select(
    dataset: ImageDataset,
    count: int,
    *,
    seed: int = 0,
    minimum: int = 1,
    accept: Callable[[str], bool] = _anything,
    progress: Progress = _untold,
) -> Selection:
    """Up to `count` distinct images whose content digest `accept` takes, as many of each class as there are.

    The order within a class follows from `seed` and the positions alone. Decodes only the images it looks at, and a few that it would
    look at next. Raises DataError when fewer than `minimum` are found, and for an unreadable image that it looks at.
    """
    seen: set[str] = set()
    chosen: list[tuple[int, str]] = []
    waiting = deque(map(deque, _by_class(dataset, seed)))
    with ContentsAhead(dataset) as ahead:
        while waiting and len(chosen) < count:
            content = ahead.content(_coming(waiting))
            index = waiting[0].popleft()
            accepted = content not in seen and accept(content)
            if accepted:
                seen.add(content)
                chosen.append((index, content))
                progress(len(chosen))
            if not waiting[0]:
                waiting.popleft()
            elif accepted:
                waiting.rotate(-1)
    if len(chosen) < minimum:
        raise DataError(
            got=f"{len(chosen)} usable distinct images among the {len(dataset)} of {dataset.source}",
            allowed=f"at least {minimum}; an image used for calibration cannot also judge, and duplicates count once",
            do="give more images, or other images for the other side",
        )
    indices = tuple(index for index, _ in chosen)
    contents = tuple(content for _, content in chosen)
    labels = None if dataset.labels is None else tuple(int(dataset.labels[index]) for index in indices)
    return Selection(source=dataset.source, indices=indices, contents=contents, labels=labels)


def select_calibration(
    dataset: ImageDataset,
    count: int,
    *,
    seed: int = 0,
    minimum: int = 1,
    shared: bool = False,
    progress: Progress = _untold,
) -> Selection:
    """Calibration images; if `shared`, those on the calibration side of a source that serves both sides.

    Raises DataError.
    """
    accept = on_calibration_side if shared else _anything
    return select(dataset, count, seed=seed, minimum=minimum, accept=accept, progress=progress)


def select_held_out(
    dataset: ImageDataset,
    calibration: Selection | None,
    count: int,
    *,
    seed: int = 0,
    minimum: int = 1,
    progress: Progress = _untold,
) -> Selection:
    """Images that are not among `calibration`, and on the held-out side if both come from one source.

    Without a `calibration` to compare with (when a written artefact is judged again), only the held-out side is used:
    right for every source whose calibration images were selected as `shared`. Raises DataError.
    """
    used = frozenset(() if calibration is None else calibration.contents)
    one_side = calibration is None or dataset.source == calibration.source

    def accept(content: str) -> bool:
        return content not in used and not (one_side and on_calibration_side(content))

    return select(dataset, count, seed=seed, minimum=minimum, accept=accept, progress=progress)


def on_calibration_side(content: str) -> bool:
    """Whether an image with this content digest (hex) calibrates where one source serves both sides: about half do."""
    return int(content[0], 16) < 8


def _by_class(dataset: ImageDataset, seed: int) -> list[list[int]]:
    """Every index once, in its class's list (one list for unlabelled images); the order follows from `seed`."""
    classes: dict[int, list[int]] = {}
    for index in sorted(range(len(dataset)), key=lambda index: _rank(seed, index)):
        label = 0 if dataset.labels is None else int(dataset.labels[index])
        classes.setdefault(label, []).append(index)
    return list(classes.values())


def _coming(waiting: deque[deque[int]]) -> Iterator[int]:
    """The next images, if each class's next one is chosen; no more than can be read ahead."""
    rounds = zip_longest(*islice(waiting, AHEAD))
    return islice((index for index in chain.from_iterable(rounds) if index is not None), AHEAD)


def _rank(seed: int, index: int) -> bytes:
    """A pseudo-random order that no library version can change."""
    return hashlib.sha256(f"{seed}:{index}".encode()).digest()
