"""A sweep where everything goes wrong: what is finished stays finished, and nothing is there by half."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from evit_mobile.engines.local import LocalEngine
from evit_mobile.errors import UsageError
from evit_mobile.sweeps import driver, results
from evit_mobile.sweeps import store as store_module
from evit_mobile.sweeps.store import Store, open_store
from tests.evit_mobile.sweeps import cells

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(driver, "POLL_S", 0.05)
    monkeypatch.setenv("CELLS_RAN", str(tmp_path / "ran"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "sweep"))


def run(store: Store, count: int, *, function: str = "written", retry_failed: bool = False) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLS_FUNCTION", function)
        driver.run_cells(
            cells.cells_of(count), store, LocalEngine(workers=2), work=cells.perform, retry_failed=retry_failed
        )


def whole(store: Store, count: int) -> None:
    """That every cell is there once and whole, in folder, record and table, and nothing else is."""
    from pyarrow import parquet

    names = [cell.name for cell in cells.cells_of(count)]
    root = Path(store.root)
    assert sorted(path.name for path in (root / "cells").iterdir()) == names == store.names("done")
    for name in names:
        assert {"model.tflite", "manifest.json", "log.txt"} == {path.name for path in (root / "cells" / name).iterdir()}
        assert (root / "cells" / name / "model.tflite").read_text() == "four"
    assert sorted(parquet.read_table(root / "results.parquet")["cell"].to_pylist()) == names
    assert store.names("failed") == store.names("claims") == store.names("drivers") == []
    assert list((root / ".partial").iterdir()) == []


def ran(tmp_path: Path) -> Counter[str]:
    return Counter((tmp_path / "ran").read_text().splitlines())


def test_a_finished_cell_is_never_done_twice(store: Store, tmp_path: Path) -> None:
    run(store, 2)
    run(store, 3)
    whole(store, 3)
    assert set(ran(tmp_path).values()) == {1}


@pytest.mark.parametrize(("function", "reason"), [("failing", "ValueError: planted"), ("dying", "killed by signal 9")])
def test_a_failed_cell_keeps_its_reason_and_is_tried_again_when_asked(store: Store, function: str, reason: str) -> None:
    run(store, 1, function=function)
    (state,) = driver.states(cells.cells_of(1), store)
    assert state.state == "failed"
    assert reason in state.reason
    assert store.names("done") == store.names("cells") == []
    run(store, 1)
    assert store.names("done") == []
    run(store, 1, retry_failed=True)
    whole(store, 1)


def test_a_full_disk_ends_a_sweep_and_loses_nothing(store: Store) -> None:
    run(store, 1)
    with pytest.raises(UsageError, match="no room"):
        run(store, 2, function="full")
    assert store.names("failed") == []
    assert store.names("cells") == store.names("done") == ["cell-00000"]
    run(store, 2)
    whole(store, 2)


def test_a_disk_that_fills_while_a_cell_is_published(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "publish", torn)
        with pytest.raises(OSError, match="No space left"):
            run(store, 1)
    assert store.names("done") == store.names("cells") == []
    run(store, 1)
    whole(store, 1)


def test_files_without_a_record_are_written_again(store: Store) -> None:
    """As a driver leaves them that was killed between the two."""
    left = Path(store.root) / "cells" / "cell-00000"
    left.mkdir(parents=True)
    (left / "torn").write_text("ha")
    (Path(store.root) / ".partial" / "cell-00000.abc").mkdir(parents=True)
    run(store, 1)
    whole(store, 1)


def start(store: Store, count: int, function: str) -> subprocess.Popen[bytes]:
    """A driver in a process of its own."""
    code = f"from tests.evit_mobile.sweeps import cells; cells.drive({store.root!r}, {count})"
    environment = {**os.environ, "CELLS_FUNCTION": function, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT, stderr=subprocess.PIPE)


def wait_for(what: Path, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not what.exists() or (what.is_dir() and not list(what.glob("*.json"))):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def test_a_driver_killed_in_the_middle_loses_what_ran(store: Store, tmp_path: Path) -> None:
    first = start(store, 5, "slow")
    wait_for(Path(store.root) / "done")
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = store.names("done")
    assert 0 < len(done) < 5
    run(store, 5)
    whole(store, 5)
    twice = [line for line, count in ran(tmp_path).items() if count > 1]
    assert len(twice) <= 2, "more than the cells that ran were lost"


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_its_driver(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    monkeypatch.setenv("CELLS_PID", str(tmp_path / "pid"))
    first = start(store, 1, "endless")
    wait_for(tmp_path / "pid")
    time.sleep(0.1)
    pid = int((tmp_path / "pid").read_text())
    assert cells.alive(pid)
    first.send_signal(sign)
    assert first.wait(30) != 0
    deadline = time.monotonic() + 30
    while cells.alive(pid):
        assert time.monotonic() < deadline, "the cell's process is still there"
        time.sleep(0.05)
    assert store.names("done") == store.names("failed") == []


def test_two_drivers_share_a_sweep(store: Store, tmp_path: Path) -> None:
    both = [start(store, 6, "slow") for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    whole(store, 6)
    assert set(ran(tmp_path).values()) == {1}


@pytest.fixture
def usual_collector() -> Iterator[None]:
    """Garbage is collected as often as Python does by itself; tests/conftest.py lets more of it gather."""
    seldom = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*seldom)


@pytest.mark.usefixtures("usual_collector")
def test_a_simulated_sweep_of_many_cells_takes_no_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the driver looks at once is bounded: its memory is the same after 20 cells as after 150."""
    import tracemalloc

    monkeypatch.setattr(driver, "KNOWN", 5)
    monkeypatch.setattr(results, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(store_module, "AT_ONCE", 5)

    engine = LocalEngine(workers=1)
    many = cells.cells_of(150)
    driver.run_cells(many[:10], store, engine, work=cells.perform_here)
    tracemalloc.start()
    driver.run_cells(many[:20], store, engine, work=cells.perform_here)
    _, first = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    driver.run_cells(many, store, engine, work=cells.perform_here)
    _, second = tracemalloc.get_traced_memory()
    interned = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, inspect.getfile(PurePath))]).traces
    tracemalloc.stop()
    table = max(trace.size for trace in interned)  # the interpreter's, of all names of paths, which grows in megabytes
    assert second - table < first + 500_000
