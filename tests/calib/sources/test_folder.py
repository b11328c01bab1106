"""Folders of images: flat, or one of each class, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.datasets import FileDataset
from calib.errors import DataError
from calib.kept import batches
from calib.opening import open_dataset
from calib.preprocess import Preprocess
from tests.calib.pictures import picture, values

PREPROCESS = Preprocess(size=(8, 8))


def test_a_flat_folder_is_unlabelled_and_sorted(tmp_path: Path) -> None:
    for value, name in enumerate(("b.png", "a.jpg", "c.BMP")):
        picture(tmp_path / name, 10 * value)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"not looked at")
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, FileDataset)
    assert [path.name for path in dataset.paths] == ["a.jpg", "b.png", "c.BMP"]
    assert dataset.labels is None
    assert dataset.source == str(tmp_path.resolve())


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png", 1)
    picture(tmp_path / "cat" / "deep" / "2.png", 2)
    picture(tmp_path / "cat" / "3.png", 3)
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.labels is not None
    assert list(zip(values(dataset), dataset.labels.tolist(), strict=True)) == [(3, 0), (2, 0), (1, 1)]


def test_given_class_names_decide_the_indices(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png")
    picture(tmp_path / "cat" / "2.png")
    dataset = open_dataset(tmp_path, class_names=["dog", "fish", "cat"])
    assert dataset.class_names == ("dog", "fish", "cat")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [2, 0]


def test_an_unknown_class_folder_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "wolf" / "1.png")
    with pytest.raises(DataError, match="'wolf'"):
        open_dataset(tmp_path, class_names=["cat", "dog"])


def test_an_empty_class_would_shift_the_others(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png")
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="'cat'"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, class_names=["cat", "dog"])) == 1


def test_images_beside_classes_are_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "stray.png")
    picture(tmp_path / "dog" / "1.png")
    with pytest.raises(DataError, match=r"stray\.png"):
        open_dataset(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images") as caught:
        open_dataset(tmp_path)
    assert caught.value.exit_code == 2


def test_an_unreadable_image_is_named_when_it_is_reached(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"planted")
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match=r"2\.png"):
        list(batches(dataset, range(2), PREPROCESS, 2))


def test_a_camera_s_folders_are_no_classes(tmp_path: Path) -> None:
    picture(tmp_path / "100APPLE" / "1.png", 1)
    picture(tmp_path / "101APPLE" / "2.png", 2)
    dataset = open_dataset(tmp_path)
    assert dataset.labels is None
    assert values(dataset) == [1, 2]
    assert dataset.notes == (
        "100APPLE, 101APPLE: folders of a camera and no classes, their images count as unlabelled",
    )
    labels = open_dataset(tmp_path, class_names=["101APPLE", "100APPLE"]).labels
    assert labels is not None
    assert labels.tolist() == [1, 0]


def test_parts_of_a_data_set_are_refused_unless_they_are_classes(tmp_path: Path) -> None:
    for name in ("Train", "val"):
        picture(tmp_path / name / "1.png")
    with pytest.raises(DataError, match=r"Train/, val/, which are parts of a data set") as caught:
        open_dataset(tmp_path)
    assert caught.value.do == f"pass {tmp_path.resolve() / 'val'}"
    assert open_dataset(tmp_path, class_names=["val", "Train"]).class_names == ("val", "Train")


def test_hidden_folders_and_folders_called_like_images_are_not_looked_at(tmp_path: Path) -> None:
    picture(tmp_path / ".thumbnails" / "1.png")
    (tmp_path / "album.png").mkdir()
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "more.jpg").mkdir()
    with pytest.raises(DataError, match=r"class folder 'album\.png'"):
        open_dataset(tmp_path)
    (tmp_path / "album.png").rmdir()
    assert open_dataset(tmp_path).class_names == ("cat",)
    assert len(open_dataset(tmp_path)) == 1
