"""Parquet files as hubs write them, with and without pyarrow."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from calib.errors import DataError
from calib.opening import open_dataset
from calib.sources.parquet import declared_names
from tests.calib.pictures import labels_of, png_bytes, values


def test_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "d.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"pip install evit-mobile\[parquet\]"):
        open_dataset(tmp_path / "d.parquet")


def write_parquet(path: Path, columns: Mapping[str, Sequence[object]], metadata: dict[str, str] | None = None) -> Path:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is optional")
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table(columns).replace_schema_metadata(metadata), path)
    return path


def test_parquet_with_structs_and_labels(tmp_path: Path) -> None:
    images = [{"bytes": png_bytes(value), "path": None} for value in (3, 4)]
    dataset = open_dataset(write_parquet(tmp_path / "d.parquet", {"image": images, "label": [1, 0]}))
    assert values(dataset) == [3, 4]
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [1, 0]


def test_parquet_labels_by_name(tmp_path: Path) -> None:
    images = [{"bytes": png_bytes(value)} for value in (3, 4)]
    named = write_parquet(tmp_path / "named.parquet", {"image": images, "label": ["dog", "cat"]})
    assert labels_of(named, ["cat", "ox", "dog"]) == [2, 0]
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    declared = write_parquet(tmp_path / "declared.parquet", {"image": images, "label": [1, 0]}, metadata)
    assert labels_of(declared, ["cat", "ox", "dog"]) == [2, 0]
    assert open_dataset(declared).class_names == ("cat", "dog")
    with pytest.raises(DataError, match="'dog'"):
        open_dataset(declared, class_names=["cat", "ox"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"picture": [b""]}, "columns picture"),
        ({"image": [None]}, "row 0"),
        ({"image": [b""], "label": ["cat"]}, "not all integers"),
    ],
)
def test_wrong_parquet_is_an_error(columns: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(write_parquet(tmp_path / "d.parquet", columns))


def test_damaged_parquet_is_an_error(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"image": [png_bytes(1)]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="unreadable file"):
        open_dataset(path)


def test_an_unreadable_parquet_row_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"image": [png_bytes(1), b"planted"]})
    with pytest.raises(DataError, match="row 1 of"):
        open_dataset(path).item(1)


@pytest.mark.parametrize(
    ("features", "names"),
    [
        ({"label": {"names": ["cat", "dog"]}}, ("cat", "dog")),
        ({"label": {"names": []}}, ()),
        ({"label": {"names": ["cat", 1]}}, None),
        ({"label": {"names": "cat"}}, None),
        ({"label": None}, None),
        ({"other": {"names": ["cat"]}}, None),
        ([], None),
    ],
)
def test_names_are_taken_where_a_hub_declares_them(features: object, names: tuple[str, ...] | None) -> None:
    assert declared_names({b"huggingface": json.dumps({"info": {"features": features}}).encode()}, "label") == names


def test_a_file_of_another_writer_declares_no_names() -> None:
    assert declared_names({}, "label") is None
    assert declared_names({b"huggingface": b"{"}, "label") is None


def test_bytes_without_a_struct_and_without_labels(tmp_path: Path) -> None:
    dataset = open_dataset(write_parquet(tmp_path / "d.parquet", {"img": [png_bytes(6)], "other": [1]}), ["a"])
    assert values(dataset) == [6]
    assert (dataset.labels, dataset.class_names) == (None, ("a",))
