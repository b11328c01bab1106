"""Stores: whole or not at all, and patient."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from converters.errors import ToolchainError
from evit_mobile.engines.local import LocalEngine
from evit_mobile.errors import UsageError
from evit_mobile.sweeps import driver
from evit_mobile.sweeps import store as store_module
from evit_mobile.sweeps.patience import patiently
from evit_mobile.sweeps.store import Store, open_store
from tests.evit_mobile.sweeps import cells


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "a") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_files_are_created_once(store: Store) -> None:
    assert store.create("claims/a", b"1")
    assert not store.create("claims/a", b"2")
    assert store.read("claims/a") == b"1"
    assert store.names("claims") == ["a"]
    store.remove("claims/a")
    store.remove("claims/a")
    assert store.names("claims") == []
    assert store.create("claims/a", b"3")


def test_a_sweep_is_the_same_in_any_store(store: Store) -> None:
    driver.run_cells(cells.cells_of(3), store, LocalEngine(workers=1), work=cells.perform_here)
    assert len(store.names("done")) == 3
    assert store.read("cells/cell-00001/model.tflite") == b"four"
    assert store.exists("results.parquet")
    assert store.names("claims") == store.names("drivers") == []


def test_a_store_that_is_away_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every third call to it answers as S3 does with 503."""
    store = open_store(f"memory://{tmp_path.name}")
    calls = itertools.count()
    for name in ("pipe_file", "put_file", "cat_file", "ls"):
        real = getattr(type(store.fs), name)

        def away(self: object, *given: object, real: object = real, **named: object) -> object:
            if next(calls) % 3 == 0:
                raise OSError(16, "503 SlowDown")
            return real(self, *given, **named)  # type: ignore[operator]

        monkeypatch.setattr(type(store.fs), name, away)
    waits: list[float] = []
    monkeypatch.setattr(store_module, "patiently", lambda do: patiently(do, sleep=waits.append))
    driver.run_cells(cells.cells_of(3), store, LocalEngine(workers=1), work=cells.perform_here)
    assert len(store.names("done")) == 3
    assert waits


def test_another_folder_of_that_name_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another place"):
        open_store(str(tmp_path)).check_driver("nobody")


def test_a_url_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec.core

    def absent(*_given: object, **_named: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(ToolchainError) as raised:
        open_store("s3://bucket/sweep")
    assert raised.value.do == "pip install 'evit-mobile[s3]'"
    assert raised.value.exit_code == 3


def test_a_url_of_no_protocol() -> None:
    with pytest.raises(UsageError):
        open_store("s4://bucket/sweep")
