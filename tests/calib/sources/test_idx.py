"""idx files, gzipped and not, and faults planted in them."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from calib.errors import DataError
from calib.opening import open_dataset
from calib.sources.idx import parse_idx

RNG = np.random.default_rng(7)


def idx_bytes(values: np.ndarray) -> bytes:
    sizes = b"".join(side.to_bytes(4, "big") for side in values.shape)
    return bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes()


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray | None, suffix: str = ".gz") -> Path:
    pack = gzip.compress if suffix else bytes
    path = folder / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(idx_bytes(images)))
    if labels is not None:
        (folder / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))
    return path


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_idx_pair(suffix: str, tmp_path: Path) -> None:
    images, labels = RNG.integers(0, 256, (6, 5, 4), np.uint8), np.arange(6, dtype=np.uint8)
    dataset = open_dataset(write_idx(tmp_path, images, labels, suffix))
    np.testing.assert_array_equal(np.asarray(dataset.item(4)), images[4])
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_idx_without_labels_is_unlabelled(tmp_path: Path) -> None:
    assert open_dataset(write_idx(tmp_path, np.zeros((6, 5, 4), np.uint8), None)).labels is None


def test_idx_with_too_few_labels_is_an_error(tmp_path: Path) -> None:
    path = write_idx(tmp_path, np.zeros((6, 5, 4), np.uint8), np.zeros(5, np.uint8))
    with pytest.raises(DataError, match="6 images but 5 labels"):
        open_dataset(path)


@pytest.mark.parametrize("kept", [0, 3, 30, -4])
def test_truncated_gz_is_an_error(kept: int, tmp_path: Path) -> None:
    path = write_idx(tmp_path, RNG.integers(0, 256, (6, 50, 40), np.uint8), None)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="unreadable idx file"):
        open_dataset(path)


@pytest.mark.parametrize(
    "content",
    [
        idx_bytes(np.zeros((2, 3, 4), np.uint8))[:-1],
        idx_bytes(np.zeros((2, 3, 4), np.uint8)) + b"x",
        idx_bytes(np.zeros(24, np.uint8)),
        b"\0\0\x0d\x03" + bytes(100),
        b"\0\0\x08\x03\0\0",
    ],
    ids=["short", "long", "labels", "floats", "header"],
)
def test_wrong_idx_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "images.idx").write_bytes(content)
    with pytest.raises(DataError, match="unreadable idx file"):
        open_dataset(tmp_path / "images.idx")


def test_images_of_another_name_have_no_labels(tmp_path: Path) -> None:
    (tmp_path / "digits.idx").write_bytes(idx_bytes(np.zeros((2, 3, 4), np.uint8)))
    assert open_dataset(tmp_path / "digits.idx").labels is None


def test_no_more_is_read_than_is_announced() -> None:
    stream = io.BytesIO(idx_bytes(np.zeros((2, 3, 4), np.uint8)) + bytes(100_000))
    with pytest.raises(DataError, match=r"announces \(2, 3, 4\) and has 25 values"):
        parse_idx(stream, 3, "a bomb")
    assert stream.tell() == 4 + 3 * 4 + 25


def test_sizes_are_big_endian_and_may_be_none() -> None:
    labels = parse_idx(io.BytesIO(b"\0\0\x08\x01\0\0\1\0" + bytes(range(256))), 1, "labels")
    assert labels.tolist() == list(range(256))
    assert parse_idx(io.BytesIO(b"\0\0\x08\x01\0\0\0\0"), 1, "labels").shape == (0,)
