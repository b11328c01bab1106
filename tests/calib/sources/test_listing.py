"""List files: paths, labels, and what is wrong in which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.errors import DataError
from calib.opening import open_dataset
from tests.calib.pictures import picture, values


def test_a_plain_list_is_unlabelled(tmp_path: Path) -> None:
    picture(tmp_path / "sub" / "a b.png", 5)
    picture(tmp_path / "c.png", 6)
    (tmp_path / "list.txt").write_text(f"# comment\n\nsub/a b.png\n{tmp_path / 'c.png'}\n")
    dataset = open_dataset(tmp_path / "list.txt")
    assert dataset.labels is None
    assert values(dataset) == [5, 6]


def test_integer_labels_are_class_indices(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.tsv").write_text("a.png\t7\na.png\t10\n")
    dataset = open_dataset(tmp_path / "list.tsv")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [7, 10]
    assert dataset.class_names is None


@pytest.mark.parametrize(("given_names", "expected"), [(None, [1, 0]), (["dog", "ox", "cat"], [0, 2])])
def test_class_names_in_a_list(given_names: list[str] | None, expected: list[int], tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png\tdog\na.png\tcat\n")
    dataset = open_dataset(tmp_path / "list.txt", class_names=given_names)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == expected
    assert dataset.class_names == (("cat", "dog") if given_names is None else tuple(given_names))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.png\nmissing.png\n", "line 2 naming missing.png"),
        (b"a.png\t1\na.png\n", "line 2 without a label"),
        (b"a.png\twolf\n", "'wolf'"),
        (b"a.png\t9\n", r"labels 9\.\.9"),
        (b"# nothing\n", "no images"),
        (b"\xff\xfe\x00", "unreadable list"),
    ],
)
def test_wrong_lists_are_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "list.txt", class_names=["cat", "dog"])


def test_a_list_of_windows_is_read(tmp_path: Path) -> None:
    """With a byte order mark, carriage returns, and spaces around the names."""
    picture(tmp_path / "a.png", 5)
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png \t 3 \r\n   \r\na.png\t4\r\n")
    dataset = open_dataset(tmp_path / "list.txt")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [3, 4]
    assert values(dataset) == [5, 5]


def test_numbers_may_be_names(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png\t7\na.png\t10\n")
    labels = open_dataset(tmp_path / "list.txt", class_names=["10", "7"]).labels
    assert labels is not None
    assert labels.tolist() == [1, 0]
