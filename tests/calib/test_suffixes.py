"""What counts as an image: what is read, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from calib import suffixes
from calib.errors import DataError
from calib.opening import open_dataset
from calib.suffixes import HEIF, OTHERS, RAW, READ, readable, unread_note
from tests.calib.pictures import HEIC, iphone_folder, picture


@pytest.mark.usefixtures("no_heif")
def test_photos_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    dataset = open_dataset(iphone_folder(tmp_path, heic=60, jpeg=10))
    assert len(dataset) == 10
    assert dataset.notes == (
        "60 files that look like images were not read: HEIC; pip install 'evit-mobile[heif]'",
    )  # fmt: skip


@pytest.mark.usefixtures("no_heif")
def test_every_kind_that_is_not_read_is_named(tmp_path: Path) -> None:
    for name in ("a/1.dng", "a/2.DNG", "b/3.heic", "b/.hidden.heic", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("a", "b"):
        picture(tmp_path / name / "read.png")
    (note,) = open_dataset(tmp_path).notes
    assert note == "3 files that look like images were not read: DNG, HEIC; convert them to JPEG or PNG"
    picture(tmp_path / "one" / "1.png")
    (tmp_path / "one" / "2.svg").write_bytes(b"x")
    assert open_dataset(tmp_path / "one").notes[0].startswith("1 file that looks like an image was not read: SVG")


def test_nothing_is_said_where_all_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "notes.txt").write_text("no image")
    assert open_dataset(tmp_path).notes == ()


@pytest.mark.usefixtures("no_heif")
def test_a_folder_with_nothing_readable_says_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5 files .* HEIC; pip install 'evit-mobile\[heif\]'"):
        open_dataset(iphone_folder(tmp_path, heic=5, jpeg=0))
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "1.heic").write_bytes(HEIC)
    picture(tmp_path / "other" / "1.png")
    with pytest.raises(DataError, match=r"'class' .* no images; 6 files"):
        open_dataset(tmp_path)


def test_no_kind_is_both_read_and_not() -> None:
    kinds = (READ, HEIF, RAW, OTHERS)
    assert len(frozenset().union(*kinds)) == sum(map(len, kinds))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for kind in kinds for suffix in kind)


def test_heic_is_read_where_its_reader_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffixes, "HEIF_PACKAGE", "calib")  # any that is installed
    assert ".heic" in readable()
    assert unread_note([Path("1.HEIC"), Path("2.jpg")]) is None
    monkeypatch.setattr(suffixes, "HEIF_PACKAGE", "no_such_package")
    assert readable() == READ


def test_pillow_reads_what_is_said_to_be_read() -> None:
    registered = Image.registered_extensions()
    assert {suffix for suffix in READ if registered.get(suffix) not in Image.OPEN} == set()


@pytest.mark.usefixtures("no_heif")
def test_the_most_frequent_kind_comes_first() -> None:
    note = unread_note(map(Path, ("1.psd", "2.NEF", "3.nef", ".hidden.nef", "notes.txt", "4.png")))
    assert note == "3 files that look like images were not read: NEF, PSD; convert them to JPEG or PNG"
