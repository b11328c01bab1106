"""How a path becomes a dataset, and what it says of paths that are none."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from calib.datasets import FileDataset
from calib.errors import DataError
from calib.opening import FOLDER_SOURCE, SOURCES, open_dataset
from tests.calib.pictures import picture


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")


def test_an_unsupported_type_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="unsupported type"):
        open_dataset(tmp_path / "video.mp4")


def test_the_home_folder_and_capitals_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "D.npy", np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "D.npy").rename(tmp_path / "D.NPY")
    assert open_dataset("~/D.NPY").source == str(tmp_path.resolve() / "D.NPY")


def test_a_folder_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    picture(tmp_path / "images.npz" / "1.png")
    assert isinstance(open_dataset(tmp_path / "images.npz"), FileDataset)


def test_the_order_of_classes_is_handed_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array([1, 0]))
    assert open_dataset(tmp_path / "d.npz", ["cat", "dog"]).class_names == ("cat", "dog")
    with pytest.raises(DataError, match="for 1 classes"):
        open_dataset(tmp_path / "d.npz", ["cat"])


@pytest.mark.parametrize("entry", sorted({*SOURCES.values(), FOLDER_SOURCE}))
def test_every_row_of_the_table_is_a_function(entry: str) -> None:
    module, _, name = entry.partition(":")
    assert callable(getattr(import_module(module), name))
