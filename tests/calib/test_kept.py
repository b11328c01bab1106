"""Images that are decoded once, whatever they are looked at for, and are the same as if they were not kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from calib.datasets import ArrayDataset, FileDataset
from calib.errors import DataError
from calib.kept import KeptDataset, batches
from calib.preprocess import Preprocess, Resize
from calib.splits import select_calibration, select_held_out

RNG = np.random.default_rng(7)
PREPROCESS = Preprocess(size=(16, 16))
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 24, 20, 3), np.uint8)
IMAGES = ArrayDataset(source="test", images=PIXELS)


class Counted(ArrayDataset):
    """Counts what is decoded."""

    decoded: ClassVar[Counter[int]] = Counter()

    def item(self, index: int) -> NDArray[np.uint8]:
        self.decoded[index] += 1
        return super().item(index)


@pytest.fixture
def counted() -> Counted:
    Counted.decoded.clear()
    return Counted(source="test", images=PIXELS)


def test_every_image_is_decoded_once(counted: Counted) -> None:
    kept = KeptDataset(counted, PREPROCESS)
    calibration = select_calibration(kept, 8, shared=True)
    held_out = select_held_out(kept, calibration, 8)
    for _ in range(3):
        for selection, plain in ((calibration, IMAGES), (held_out, IMAGES)):
            ours = np.concatenate(list(batches(kept, selection.indices, PREPROCESS, 5)))
            theirs = np.concatenate(list(batches(plain, selection.indices, PREPROCESS, 5)))
            assert np.array_equal(ours, theirs)
    assert set(counted.decoded.values()) == {1}
    assert (calibration, held_out) == (
        select_calibration(IMAGES, 8, shared=True),
        select_held_out(IMAGES, calibration, 8),
    )


def test_another_preprocessing_is_another_image(counted: Counted) -> None:
    kept = KeptDataset(counted, PREPROCESS)
    squashed = Preprocess(size=(16, 16), resize=Resize.SQUASH)
    kept.content(3)
    assert np.array_equal(kept.pixels(3, squashed), squashed.pixels(PIXELS[3]))
    assert np.array_equal(kept.pixels(3, PREPROCESS), PREPROCESS.pixels(PIXELS[3]))
    assert counted.decoded[3] == 2


def test_beyond_the_budget_images_are_decoded_again(counted: Counted) -> None:
    kept = KeptDataset(counted, PREPROCESS, 2 * 16 * 16 * 3)
    for _ in range(3):
        next(batches(kept, range(4), PREPROCESS, 4))
    assert counted.decoded == {0: 1, 1: 1, 2: 3, 3: 3}


def test_an_image_that_cannot_be_cropped_is_an_error_only_where_it_is_used(tmp_path: Path) -> None:
    Image.new("L", (20_000, 1)).save(tmp_path / "strip.png")
    kept = KeptDataset(FileDataset(source="test", paths=(tmp_path / "strip.png",)), Preprocess(size=(1024, 1024)))
    assert len(kept.content(0)) == 64
    with pytest.raises(DataError, match="20000x1"):
        next(batches(kept, [0], Preprocess(size=(1024, 1024)), 1))


def test_it_is_the_dataset_in_everything_else() -> None:
    kept = KeptDataset(IMAGES, PREPROCESS)
    assert (kept.source, kept.labels, kept.class_names, kept.notes) == ("test", None, None, ())
    assert (len(kept), kept.digest()) == (40, IMAGES.digest())
    assert kept.item(1) is not None


def test_batches_keep_order_and_come_short_at_the_end() -> None:
    images = RNG.integers(0, 256, (7, 9, 9), np.uint8)
    dataset = ArrayDataset(source="memory", images=images)
    order = [6, 0, 3, 3, 5]
    got = list(batches(dataset, order, PREPROCESS, 2))
    assert [len(batch) for batch in got] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(got), np.stack([PREPROCESS(images[index]) for index in order]))
