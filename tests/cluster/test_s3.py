"""A sweep on a server that speaks S3: moto's, on loopback."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from evit_mobile.engines.local import LocalEngine
from evit_mobile.sweeps import driver
from evit_mobile.sweeps.store import Store, open_store
from tests.evit_mobile.sweeps import cells

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # moto's and botocore's own


class Moody:
    """A WSGI application that answers 503 to every request for a while."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.away, self.refused = inner, False, 0

    def __call__(self, environment: Any, respond: Any) -> Any:
        if not self.away:
            return self.inner(environment, respond)
        self.refused += 1
        respond("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Moody]]:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    moody = Moody(DomainDispatcherApplication(create_backend_app))
    serving = make_server("127.0.0.1", 0, moody, threaded=True)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}", moody
    serving.shutdown()


buckets = itertools.count()


@pytest.fixture
def store(server: tuple[str, Moody], monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in {
        "AWS_ENDPOINT_URL": server[0],
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{next(buckets)}"
    found = open_store(f"s3://{bucket}/sweep")
    found.fs.mkdir(bucket)
    return found


def test_a_claim_is_one_drivers(store: Store) -> None:
    assert store.create("claims/a.0", b"first")
    assert not store.create("claims/a.0", b"second")
    assert store.read("claims/a.0") == b"first"
    store.remove("claims/a.0")
    assert store.names("claims") == []


def test_a_sweep(store: Store) -> None:
    driver.run_cells(cells.cells_of(4), store, LocalEngine(workers=2), work=cells.perform)
    assert len(store.names("done")) == 4
    assert store.read("cells/cell-00003/model.tflite") == b"four"
    assert store.exists("results.parquet")
    assert store.names("claims") == store.names("drivers") == store.names("failed") == []


def test_a_server_that_is_away_for_a_while(store: Store, server: tuple[str, Moody]) -> None:
    moody = server[1]

    def back() -> None:
        moody.away = False

    def report(line: str) -> None:
        if line.startswith("1 of") and not moody.away:
            moody.away = True
            threading.Timer(8, back).start()

    driver.run_cells(cells.cells_of(5), store, LocalEngine(workers=1), work=cells.perform, report=report)
    assert moody.refused
    assert len(store.names("done")) == 5
    assert store.names("failed") == []
    for index in range(5):
        assert store.read(f"cells/cell-{index:05d}/model.tflite") == b"four"
