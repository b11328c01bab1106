"""Arrays of images in .npz and .npy files, and faults planted in them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from calib.errors import DataError
from calib.opening import open_dataset
from calib.sources.arrays import open_npy, open_npz
from tests.calib.pictures import values

RNG = np.random.default_rng(7)


@pytest.mark.parametrize(
    "shape",
    [(5, 9, 7), (5, 9, 7, 1), (5, 9, 7, 3), (5, 1, 9, 7), (5, 3, 9, 7), (5, 9, 7, 4), (5, 4, 9, 7)],
    ids=["NHW", "NHW1", "NHWC", "N1HW", "NCHW", "NHW4", "N4HW"],
)
def test_npz_layouts(shape: tuple[int, ...], tmp_path: Path) -> None:
    images = RNG.integers(0, 256, shape, np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(5))
    dataset = open_dataset(tmp_path / "d.npz", class_names=list("abcde"))
    item = np.asarray(dataset.item(3))
    plain = images[3].transpose(1, 2, 0) if shape[1] in (1, 3, 4) else images[3]
    np.testing.assert_array_equal(item, plain.squeeze())
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4]


def test_float_arrays_become_the_nearest_8_bit_values(tmp_path: Path) -> None:
    exact = RNG.integers(0, 256, (4, 6, 6, 3), np.uint8)
    np.savez(tmp_path / "d.npz", x=(exact / 255).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(open_dataset(tmp_path / "d.npz").item(2)), exact[2])


def test_npy_is_unlabelled(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.full((3, 6, 6), 9, np.uint8))
    dataset = open_dataset(tmp_path / "d.npy")
    assert dataset.labels is None
    assert values(dataset) == [9, 9, 9]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((4, 6, 6), np.uint8), "labels": np.arange(3)}, "4 images but 3 labels"),
        ({"images": np.zeros((4, 6, 6), np.uint8), "labels": -np.arange(4)}, r"labels -3\.\.0"),
        ({"images": np.zeros((4, 6, 6), np.uint8), "labels": np.zeros(4)}, "float64"),
        ({"images": np.zeros((6, 6, 3), np.uint8)}, "shape"),  # one colour image, not six narrow grey ones
        ({"images": np.zeros((4, 6, 6, 2), np.uint8)}, "shape"),
        ({"images": np.zeros((4, 6, 6), np.int64)}, "int64"),
        ({"images": np.full((4, 6, 6), 2.0)}, r"2\.\.2"),
        ({"images": np.full((4, 6, 6), np.nan)}, "nan"),
        ({"images": np.zeros((0, 6, 6), np.uint8)}, "no images"),
        ({"pictures": np.zeros((4, 6, 6), np.uint8)}, "pictures"),
        ({"images": np.array([{}] * 4, dtype=object)}, "unreadable"),
    ],
)
def test_wrong_arrays_are_an_error(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "d.npz")


def test_a_nan_in_the_last_image_is_found(tmp_path: Path) -> None:
    images = np.zeros((50, 6, 6), np.float32)
    images[-1, -1, -1] = np.nan
    np.save(tmp_path / "d.npy", images)
    with pytest.raises(DataError, match="nan"):
        open_dataset(tmp_path / "d.npy")


@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_truncated_arrays_are_an_error(name: str, tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (10, 30, 30), np.uint8)
    if name.endswith("npz"):
        np.savez_compressed(tmp_path / name, images=images)
    else:
        np.save(tmp_path / name, images)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="unreadable"):
        open_dataset(tmp_path / name)


@pytest.mark.parametrize(("name", "other"), [("d.npz", "npy"), ("d.npy", "npz")])
def test_arrays_under_the_wrong_name_are_an_error(name: str, other: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    (np.save if other == "npy" else np.savez)(buffer, np.zeros((4, 6, 6), np.uint8))
    (tmp_path / name).write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="unreadable"):
        open_dataset(tmp_path / name)


def test_the_first_known_name_counts(tmp_path: Path) -> None:
    grey = np.zeros((2, 4, 4), np.uint8)
    np.savez(tmp_path / "d.npz", x_train=grey + 2, y_train=[3, 4], x_test=grey + 1, y_test=[1, 2], other=grey)
    dataset = open_npz(tmp_path / "d.npz")
    assert values(dataset) == [1, 1]
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [1, 2]
    np.savez(tmp_path / "d.npz", grey + 7, np.array([[5], [6]], np.uint8))  # arr_0 and arr_1
    dataset = open_npz(tmp_path / "d.npz", tuple("abcdefg"))
    assert values(dataset) == [7, 7]
    assert dataset.labels is not None
    assert (dataset.labels.tolist(), dataset.labels.dtype) == ([5, 6], np.int64)


def test_npy_stays_on_the_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((3, 6, 6), np.uint8))
    assert isinstance(open_npy(tmp_path / "d.npy").images, np.memmap)


def test_values_are_looked_at_in_pieces_and_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calib.sources.arrays._VALUES_AT_ONCE", 40)  # one image of 36 values
    images = np.zeros((3, 6, 6), np.float16)
    images[2, 5, 5] = 1.5
    np.save(tmp_path / "d.npy", images)
    with pytest.raises(DataError, match=r"values in 0\.\.1\.5"):
        open_npy(tmp_path / "d.npy")
