"""Images are read ahead: the same contents, each read once, and what is wrong with one is said when it is its turn."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import Counter
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from calib import ahead
from calib.ahead import AHEAD, ContentsAhead
from calib.datasets import ArrayDataset
from calib.errors import DataError
from calib.images import content_digest
from calib.splits import select

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), np.uint8)


class Watched(ArrayDataset):
    """Counts what is read, and raises for images that were damaged."""

    read: ClassVar[Counter[int]] = Counter()
    damaged: ClassVar[set[int]] = set()

    def item(self, index: int) -> NDArray[np.uint8]:
        self.read[index] += 1
        if index in self.damaged:
            raise DataError(got=f"damaged image {index}", allowed="whole ones", do="repair it")
        return super().item(index)


@pytest.fixture
def watched() -> Watched:
    Watched.read.clear()
    Watched.damaged.clear()
    return Watched(source="watched", images=PIXELS)


def test_contents_are_those_of_the_images(watched: Watched) -> None:
    with ContentsAhead(watched) as contents:
        found = [contents.content(range(index, min(index + AHEAD, 40))) for index in range(40)]
    assert found == [content_digest(image) for image in PIXELS]
    assert set(watched.read.values()) == {1}


def test_the_next_are_read_while_one_is_waited_for(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "THREADS", 2)
    begun = threading.Event()

    def content_of(_dataset: Watched, index: int) -> str:
        if index == 1:
            begun.set()
        return "waited" if index or begun.wait(60) else "alone"

    monkeypatch.setattr(ahead, "content_of", content_of)
    with ContentsAhead(watched) as contents:
        assert contents.content([0, 1]) == "waited"


def test_no_more_is_read_than_a_few_that_would_be_next(watched: Watched) -> None:
    labels = np.arange(40) % 4
    chosen = select(Watched(source="watched", images=PIXELS, labels=labels), 10)
    assert set(chosen.indices) <= watched.read.keys()
    assert len(watched.read) < len(chosen) + AHEAD
    assert set(watched.read.values()) == {1}


def test_an_image_that_is_not_needed_may_be_damaged(watched: Watched) -> None:
    wanted = select(watched, 10).indices
    watched.damaged.update(set(range(40)) - set(wanted))
    assert select(watched, 10).indices == wanted
    with pytest.raises(DataError, match="damaged image"):
        select(watched, 11)


def test_pillow_keeps_no_memory_afterwards(watched: Watched) -> None:
    before = Image.core.get_blocks_max()
    with ContentsAhead(watched) as contents:
        assert Image.core.get_blocks_max() == ahead.BLOCKS
        contents.content([0])
        Image.new("RGB", (4000, 3000))
        assert Image.core.get_stats()["blocks_cached"] > 0
    assert Image.core.get_blocks_max() == before
    assert Image.core.get_stats()["blocks_cached"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's function")
def test_the_c_library_is_asked_to_keep_none_either(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(malloc_trim=asked.append))
    with ContentsAhead(watched) as contents:
        contents.content([0])
        assert not asked
    assert asked == [0]
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())  # as musl's
    with ContentsAhead(watched) as contents:
        contents.content([0])
