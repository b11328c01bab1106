"""Cells on a cluster of three nodes: the same as on one machine, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.engines.jobs import Job
from evit_mobile.engines.local import LocalEngine
from evit_mobile.engines.on_ray import RayEngine, check_address
from evit_mobile.progress import silent
from evit_mobile.sweeps import driver
from evit_mobile.sweeps.store import Store, open_store
from tests.cluster.conftest import NODE_BYTES, ROOT, STORE_BYTES
from tests.evit_mobile.sweeps import cells
from tests.evit_mobile.sweeps.test_driver import wait_for, whole

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "sweep"))


@pytest.fixture
def engine(cluster: Any) -> RayEngine:
    return RayEngine(cluster.address, silent)


def run(store: Store, count: int, engine: Any, work: Any = cells.perform) -> None:
    driver.run_cells(cells.cells_of(count), store, engine, work=work)


def test_three_nodes_do_what_one_machine_does(store: Store, engine: RayEngine, tmp_path: Path) -> None:
    alone = open_store(str(tmp_path / "alone"))
    run(store, 6, engine)
    run(alone, 6, LocalEngine(workers=2))
    whole(store, 6)
    for name in alone.names("done"):
        mine, theirs = (
            {path.name: path.read_bytes() for path in (Path(one.root) / "cells" / name).iterdir()}
            for one in (store, alone)
        )
        assert mine == theirs


def test_a_node_that_is_killed_costs_nothing(store: Store, engine: RayEngine, cluster: Any) -> None:
    doomed = cluster.add_node(num_cpus=1, memory=NODE_BYTES, object_store_memory=STORE_BYTES)
    cluster.wait_for_nodes()
    found = iter(engine.run(cells.perform_slowly, driver.jobs(cells.cells_of(12), store, claimed(store)), silent))
    ended = [next(found)]
    cluster.remove_node(doomed, allow_graceful=False)
    ended += list(found)
    assert [outcome.reason for _, outcome in ended] == [""] * 12
    assert len(store.names("done")) == 12


def claimed(store: Store) -> Any:
    from evit_mobile.sweeps.claims import Claims

    claims = Claims(store)
    claims.beat()
    return claims


def test_a_driver_killed_in_the_middle(store: Store, engine: RayEngine, cluster: Any) -> None:
    code = f"from tests.cluster.test_cluster import drive; drive({cluster.address!r}, {store.root!r}, 8)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    first = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT)
    wait_for(Path(store.root) / "done")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert 0 < len(store.names("done")) < 8
    run(store, 8, engine)
    whole(store, 8)


def drive(address: str, root: str, count: int) -> None:
    """What the driver that is killed does."""
    run(open_store(root), count, RayEngine(address, silent), work=cells.perform_slowly)


def test_a_job_that_no_node_has_memory_for_runs_on_the_largest(engine: RayEngine) -> None:
    assert engine._memory(Job(name="a", function="", payload={}, memory_bytes=10**15)) <= NODE_BYTES


def test_the_cluster_answers_as_one_does(cluster: Any) -> None:
    check_address(cluster.address)


def test_the_folder_of_another_machine_is_refused(store: Store, engine: RayEngine) -> None:
    from evit_mobile.errors import UsageError
    from evit_mobile.sweeps.cell import job_of

    (Path(store.root)).mkdir()
    job = job_of(cells.cells_of(1)[0], store, "nobody", 0)
    with pytest.raises(UsageError, match="another place"):
        list(engine.run(cells.perform, [job], silent))
