"""Content digests of images that are asked for one after the other, the next few of which are read meanwhile on other threads: Pillow
and hashlib leave the interpreter to others while they work.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from PIL import Image

from calib.datasets import ImageDataset
from calib.kept import content_of

core = Image.core  # type: ignore[attr-defined]  # documented under this name, though not exported

THREADS = min(4, os.cpu_count() or 1)
"""A photo of 12 megapixels takes 50 MB while it is decoded."""

AHEAD = 2 * THREADS
"""Images that are begun before they are asked for, at most: the threads have something to do while the one that is asked for waits."""

BLOCKS = 4 * THREADS
"""Of 16 MB, which Pillow keeps between images: returned to the system and taken anew, they are 40 % of the time that decoding a JPEG of
12 megapixels takes. https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
"""


def give_back() -> None:
    """Returns to the system what was freed. glibc keeps what threads of a pool took, 100 MB after a few photos, for as long as the
    process lives; other C libraries do not.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


class ContentsAhead:
    """A context in which the contents of `dataset`'s images are read ahead."""

    def __init__(self, dataset: ImageDataset) -> None:
        self._dataset = dataset
        self._begun: dict[int, Future[str]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="images")

    def __enter__(self) -> ContentsAhead:
        self._blocks = core.get_blocks_max()
        core.set_blocks_max(BLOCKS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        core.set_blocks_max(self._blocks)
        core.clear_cache(self._blocks)
        give_back()

    def content(self, coming: Iterable[int]) -> str:
        """Content digest of the image at the first of `coming`; the others, at most AHEAD, are begun. Each image is asked for once.

        Raises DataError naming an image that cannot be read, when it is its turn.
        """
        indices = list(coming)
        for index in indices:
            if index not in self._begun:
                self._begun[index] = self._threads.submit(content_of, self._dataset, index)
        return self._begun.pop(indices[0]).result()
