"""Cells that several drivers work on: each is one driver's at a time, and never a dead one's for long."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from evit_mobile.sweeps import claims as claims_module
from evit_mobile.sweeps.claims import Claims, has_process
from evit_mobile.sweeps.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "sweep"))


def test_a_claim_of_the_dead_is_taken_over_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    first, second, third = (Claims(store, now=lambda: clock[0]) for _ in range(3))
    for one in (first, second, third):
        one.beat()
    assert first.take("a")
    assert not second.take("a")
    clock[0] += claims_module.LEASE_S / 2
    first.beat()
    assert not second.take("a")
    clock[0] += claims_module.LEASE_S / 2
    assert not second.take("a"), "it had counted on in between"
    clock[0] += claims_module.LEASE_S
    assert second.take("a")
    assert not third.take("a"), "it belongs to the second, who lives"
    second.release("a")
    assert store.names("claims") == []
    store.write(f"drivers/{first.owner}.json", b'{"host": "elsewhere", "pid": 1, "beats": 1}')
    assert first.take("b")
    assert not second.take("b")
    monkeypatch.setattr(claims_module, "has_process", lambda _pid: False)
    assert not second.take("b"), "the process of another machine is not looked for here"


def test_a_claim_that_was_made_although_the_store_said_no(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Claims(store)
    real = Store.create
    monkeypatch.setattr(Store, "create", lambda self, name, content: real(self, name, content) and False)
    assert mine.take("a")


def test_a_driver_is_seen_as_long_as_it_lives(store: Store) -> None:
    mine = Claims(store)
    with mine.alive():
        document = json.loads(store.read(f"drivers/{mine.owner}.json"))
        assert document == {"host": socket.gethostname(), "pid": os.getpid(), "beats": 1}
        mine.beat()
        assert json.loads(store.read(f"drivers/{mine.owner}.json"))["beats"] == 2
    assert store.names("drivers") == []
    with pytest.raises(KeyError, match="planted"), mine.alive():
        raise KeyError("planted")
    assert store.names("drivers") == []


def test_drivers_have_names_of_their_own(store: Store) -> None:
    assert len({Claims(store).owner for _ in range(20)}) == 20


def test_a_driver_of_this_machine_whose_process_ended_is_dead_at_once(store: Store) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    store.write("drivers/dead.json", json.dumps({"host": socket.gethostname(), "pid": ended.pid, "beats": 3}).encode())
    store.create("claims/a.0", b"dead")
    assert not has_process(ended.pid)
    assert has_process(os.getpid())
    assert Claims(store).take("a")
    assert store.names("claims") == ["a.0", "a.1"]


def test_what_the_dead_left_is_tidied_and_what_the_living_have_is_not(store: Store) -> None:
    mine, other = Claims(store), Claims(store)
    for one in (mine, other):
        one.beat()
    store.write("drivers/dead.json", json.dumps({"host": socket.gethostname(), "pid": 2**30, "beats": 3}).encode())
    for name, owner in (("done.0", "dead"), ("done.1", "dead"), ("a.0", other.owner)):
        store.create(f"claims/{name}", owner.encode())
    mine.tidy({"done"})
    assert store.names("claims") == ["a.0"]
    assert store.names("drivers") == sorted([mine.owner, other.owner])


def test_what_nobody_claims_is_released_without_a_word(store: Store) -> None:
    mine = Claims(store)
    mine.release("a")
    assert mine.take("a")
    assert mine.take("b")
    mine.release("a")
    assert store.names("claims") == ["b.0"]
