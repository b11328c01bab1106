"""Which class a folder's name or a label stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.class_names import class_indices, listed, spellings
from calib.errors import DataError
from tests.calib.pictures import class_folders, labels_of


@pytest.mark.parametrize("folder", ["T-shirt-top", "T-shirt_top", "T-shirt top", "T-shirttop"])
def test_a_name_that_no_folder_can_have_is_met_by_its_spelling(folder: str, tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, folder), ["Coat", "T-shirt/top"]) == [1]


def test_unicode_names_are_met_however_the_file_system_writes_them(tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, "Ku\u0308rbis"), ["Apfel", "K\u00fcrbis"]) == [1]


def test_case_and_spaces_are_part_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'ankle boot'.*Ankle boot"):
        labels_of(class_folders(tmp_path, "ankle boot"), ["Ankle boot"])


def test_folders_called_by_numbers_are_indices_unless_these_are_names(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, "00", "01", "10")
    assert labels_of(folder, [f"name {index}" for index in range(11)]) == [0, 1, 10]
    assert labels_of(folder, ["10", "01", "00"]) == [2, 1, 0]
    with pytest.raises(DataError, match=r"labels 0\.\.10"):
        labels_of(folder, ["a", "b", "c"])


def test_a_name_of_two_classes_is_refused_only_where_it_is_met(tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, "fish"), ["crane", "fish", "crane"]) == [1]
    with pytest.raises(DataError, match=r"'crane'.*2 classes"):
        labels_of(class_folders(tmp_path, "crane"), ["crane", "fish", "crane"])


def test_an_exact_name_goes_before_a_spelling(tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, "a-b"), ["a/b", "a-b"]) == [1]


def test_very_many_classes_are_not_all_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(1000 in all\)") as caught:
        labels_of(class_folders(tmp_path, "wolf"), [f"c{index}" for index in range(1000)])
    assert "c999" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T-shirt/top", {"T-shirt/top", "T-shirt-top", "T-shirt_top", "T-shirt top", "T-shirttop"}),
        ("Coat", {"Coat"}),
        ("Ku\u0308rbis", {"K\u00fcrbis"}),
    ],
)
def test_spellings_of_a_name(name: str, expected: set[str]) -> None:
    assert spellings(name) == expected


def test_words_in_any_order_and_as_often_as_they_come() -> None:
    assert class_indices(["b", "a", "b"], ["a", "b"], what="class", source="x.txt") == [1, 0, 1]
    assert class_indices([], ["a", "b"], what="class", source="x.txt") == []


def test_numbers_beside_names_are_no_indices() -> None:
    with pytest.raises(DataError) as caught:
        class_indices(["cat", "1"], ["cat", "dog"], what="label", source="x.txt")
    assert caught.value.got == "label '1' in x.txt, which is no class of the model"
    assert caught.value.allowed.startswith("the classes cat, dog;")
    assert "--labels FILE" in caught.value.do


def test_twenty_names_are_all_listed_and_of_more_the_first_twenty() -> None:
    names = [f"c{index}" for index in range(21)]
    assert listed(names[:20]) == ", ".join(names[:20])
    assert listed(names) == ", ".join(names[:20]) + ", ... (21 in all)"
