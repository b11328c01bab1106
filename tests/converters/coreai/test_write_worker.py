"""The writing process: addresses that are not random, counted names, and what an asset says of itself."""

from __future__ import annotations

import ctypes
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from converters.coreai import write_worker
from converters.coreai.write_worker import NO_RANDOM_ADDRESSES, fix_addresses

READ = 0xFFFFFFFF


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process was replaced by."""
    started: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: started.append((path, arguments)))
    return started


@pytest.mark.parametrize(
    ("now", "allowed", "again"),
    [(0, True, True), (NO_RANDOM_ADDRESSES, True, False), (0, False, False), (8, True, True)],
    ids=["random", "fixed already", "not allowed", "other flags"],
)
def test_the_process_starts_again_once_where_it_may(
    now: int, allowed: bool, again: bool, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def personality(flags: int) -> int:
        asked.append(flags)
        return now if flags == READ or allowed else -1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(personality=personality))
    fix_addresses()
    assert started == ([(sys.executable, sys.orig_argv)] if again else [])
    assert asked == ([READ] if now & NO_RANDOM_ADDRESSES else [READ, now | NO_RANDOM_ADDRESSES])


def test_other_systems_are_left_alone(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: pytest.fail("the system was asked"))
    fix_addresses()
    assert started == []


def package(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    """A module of Apple's, of these contents."""
    module = ModuleType(name)
    module.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "coreai", ModuleType("coreai"))


def test_bodies_are_counted_through_both_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    func, builder = SimpleNamespace(), SimpleNamespace()
    package(monkeypatch, "coreai.authoring", func=func, graph_builder=builder)
    write_worker.number_composites()
    names = [func._randomize_fn_name("gelu"), builder._randomize_fn_name("gelu"), func._randomize_fn_name("norm")]
    assert names == ["gelu_0", "gelu_1", "norm_2"]


def test_an_asset_says_everything_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stated:
        def __init__(self) -> None:
            self.own: dict[str, Any] = {}

        def set_custom(self, key: str, value: Any) -> None:
            self.own[key] = value

    package(monkeypatch, "coreai.runtime", AIModelAssetMetadata=Stated)
    stated = {"description": "a net", "author": "us", "license": "MIT", "version": "1", "labels": ["a"]}
    written = write_worker.metadata(stated)
    assert (written.model_description, written.author, written.license) == ("a net", "us", "MIT")
    assert written.own == {"version": "1", "labels": ["a"]}
