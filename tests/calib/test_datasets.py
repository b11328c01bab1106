"""What every source of images looks like once it is open."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from calib.datasets import ArrayDataset, EncodedDataset, FileDataset, Relabelled, check_labels
from calib.errors import DataError
from calib.opening import open_dataset
from tests.calib.pictures import picture, png_bytes, values

RNG = np.random.default_rng(7)


def test_digests_see_one_value_one_label_and_the_order(tmp_path: Path) -> None:
    images, labels = RNG.integers(0, 256, (4, 6, 6), np.uint8), np.arange(4)
    changed = images.copy()
    changed[2, 3, 3] ^= 1

    def digest(pixels: np.ndarray, classes: np.ndarray | None) -> str:
        return ArrayDataset(source="memory", images=pixels, labels=classes).digest()

    digests = [
        digest(images, labels),
        digest(changed, labels),
        digest(images, labels[::-1]),
        digest(images[::-1], labels),
        digest(images, None),
        digest(images.reshape(4, 4, 9), labels),
    ]
    assert len(set(digests)) == len(digests)
    assert digest(images.copy(), labels.copy()) == digests[0]
    picture(tmp_path / "a" / "1.png", 1)
    picture(tmp_path / "b" / "1.png", 2)
    assert open_dataset(tmp_path / "a").digest() != open_dataset(tmp_path / "b").digest()


def test_a_float_becomes_the_nearest_8_bit_value_and_halves_the_even_one() -> None:
    images = np.array([[[0, 0.5, 1.5, 2.4, 254.6, 255]]]) / 255
    item = ArrayDataset(source="memory", images=images).item(0)
    assert item.dtype == np.uint8
    assert item.tolist() == [[0, 0, 2, 2, 255, 255]]


def framed(*parts: bytes) -> str:
    """SHA-256 of parts with their lengths, eight bytes each, the smallest first."""
    return hashlib.sha256(b"".join(struct.pack("<Q", len(part)) + part for part in parts)).hexdigest()


def test_a_digest_is_of_labels_and_whole_files(tmp_path: Path) -> None:
    paths = tmp_path / "a", tmp_path / "b"
    for path, content in zip(paths, (b"one", b"three"), strict=True):
        path.write_bytes(content)
    labels = np.array([1, 0])
    files = FileDataset(source="files", paths=paths, labels=labels)
    assert files.digest() == framed(struct.pack("<2q", 1, 0), b"one", b"three")
    assert EncodedDataset(source="rows", encoded=(b"one", b"three"), labels=labels).digest() == files.digest()
    assert EncodedDataset(source="rows", encoded=(b"onet", b"hree")).digest() == framed(b"unlabelled", b"onet", b"hree")


def test_a_row_that_is_no_image_is_named() -> None:
    dataset = EncodedDataset(source="d.parquet", encoded=(png_bytes(9), b"planted"))
    assert len(dataset) == 2
    assert values(EncodedDataset(source="d.parquet", encoded=(png_bytes(9),))) == [9]
    with pytest.raises(DataError, match=r"row 1 of d\.parquet"):
        dataset.item(1)


def test_other_labels_for_the_same_images() -> None:
    images = ArrayDataset(source="memory", images=np.full((2, 4, 4), 5, np.uint8), notes=("first",))
    named = Relabelled(dataset=images, labels=np.array([1, 0]), class_names=("a", "b"), remarks=("second",))
    assert (named.source, named.notes, len(named)) == ("memory", ("first", "second"), 2)
    assert values(named) == [5, 5]
    assert len({images.digest(), named.digest(), Relabelled(dataset=images, labels=np.array([0, 1])).digest()}) == 3


@pytest.mark.parametrize(
    ("count", "labels", "names", "said"),
    [
        (0, None, None, "x with no images"),
        (2, [0], None, "2 images but 1 labels in x"),
        (2, [0, -1], None, r"labels -1\.\.0 in x; allowed: labels from 0 up;"),
        (2, [0, 2], ("a", "b"), r"labels 0\.\.2 in x; allowed: labels 0\.\.1, for 2 classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    count: int, labels: list[int] | None, names: tuple[str, ...] | None, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        check_labels("x", count, None if labels is None else np.array(labels), names)


def test_the_last_class_and_any_label_without_names_are_fine() -> None:
    check_labels("x", 2, np.array([0, 1]), ("a", "b"))
    check_labels("x", 2, np.array([0, 999]), None)
    check_labels("x", 1, None, ("a", "b"))
