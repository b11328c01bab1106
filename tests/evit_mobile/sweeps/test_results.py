"""The table of a sweep: a row for each file and judge, with every figure in its column."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from converters.errors import ArtefactError, ToolchainError
from evit_mobile.strict_json import to_json
from evit_mobile.sweeps import results
from evit_mobile.sweeps.records import CellRecord, Row
from evit_mobile.sweeps.results import COLUMNS, records, require_pyarrow, table_rows, write_results
from evit_mobile.sweeps.store import Store, open_store
from tests.evit_mobile.sweeps.test_best import record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "sweep"))


def finished(store: Store, *names: str) -> list[CellRecord]:
    """Cells of two judges each."""
    found = []
    for name in names:
        one = replace(record(name), request={"weights": f"{name}.pth"})
        found.append(replace(one, rows=(*one.rows, replace(one.rows[0], on="arm", top1=None))))
        store.write(f"done/{name}.json", to_json(found[-1]).encode())
    return found


def test_rows_are_those_of_every_file_and_judge(store: Store) -> None:
    finished(store, "b", "a")
    rows = list(table_rows(store))
    assert [(row["cell"], row["on"], row["top1"]) for row in rows] == [
        ("a", "xnnpack", 92.5),
        ("a", "arm", None),
        ("b", "xnnpack", 92.5),
        ("b", "arm", None),
    ]
    assert (rows[0]["height"], rows[0]["width"], rows[0]["weights"]) == (64, 64, "a.pth")
    assert all(list(row) == list(COLUMNS) for row in rows)


def test_every_figure_of_a_row_has_a_column_of_its_kind() -> None:
    assert {field.name for field in fields(Row)} <= COLUMNS.keys()
    kinds = {name: COLUMNS[name] for name in ("bytes", "sha256", "verdict", "evaluated_images", "evaluated_drop_low")}
    assert list(kinds.values()) == ["int64", "string", "string", "int64", "float64"]


def test_the_table_is_what_the_records_say(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the table is pyarrow's")
    monkeypatch.setattr(results, "ROWS_AT_ONCE", 3)  # so that the last piece is not full
    finished(store, "a", "b", "c")
    write_results(store)
    table = parquet.read_table(Path(store.root) / "results.parquet")
    assert table.to_pylist() == list(table_rows(store))
    assert str(table.schema.field("evaluated_top1").type) == "double"  # although nothing was evaluated


def test_where_nothing_is_finished_there_is_no_table(store: Store) -> None:
    pytest.importorskip("pyarrow", reason="the table is pyarrow's")
    write_results(store)
    assert not store.exists("results.parquet")


def test_records_are_those_that_are_named_and_there(store: Store) -> None:
    first, second = finished(store, "a", "b")
    assert list(records(store)) == [first, second]
    assert list(records(store, ["b", "gone", "a"])) == [second, first]
    assert list(records(store, [])) == []


def test_a_damaged_record_is_an_error(store: Store) -> None:
    finished(store, "a")
    store.write("done/b.json", b"{")
    with pytest.raises(ArtefactError, match="a record of done/"):
        list(records(store))


def test_without_pyarrow_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ToolchainError) as raised:
        require_pyarrow()
    assert (raised.value.exit_code, raised.value.do) == (3, "pip install 'evit-mobile[sweep]'")
