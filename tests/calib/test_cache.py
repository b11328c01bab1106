"""Observers on disk: exact after a round trip, mergeable, and never trusted when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calib.cache import MAX_FILES, ObserverCache
from calib.methods import Method
from calib.observers import Observer, make_observer

KEY = "ab" * 32


def tensors(count: int, seed: int = 0) -> list[np.ndarray]:
    """Of growing magnitude, so that histograms have to widen."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((1, 5, 9, 9)).astype(np.float32) * 2**index for index in range(count)]


def watched(method: str, seen: list[np.ndarray]) -> dict[str, Observer]:
    observers = {name: make_observer(method, name) for name in ("conv/a", "add")}
    for observer in observers.values():
        for tensor in seen:
            observer.observe(tensor)
    return observers


@pytest.mark.parametrize("method", list(Method))
def test_interrupted_and_resumed_equals_uninterrupted(method: str, tmp_path: Path) -> None:
    cache = ObserverCache(folder=tmp_path, key=KEY)
    cache.save(watched(method, tensors(6)[:3]), 3)
    resumed = watched(method, [])
    assert cache.load(resumed) == 3
    for observer in resumed.values():
        for tensor in tensors(6)[3:]:
            observer.observe(tensor)
    whole = watched(method, tensors(6))
    assert {name: o.range() for name, o in resumed.items()} == {name: o.range() for name, o in whole.items()}


@pytest.mark.parametrize("method", [method for method in Method if method is not Method.MOVING_AVERAGE])
@pytest.mark.parametrize("first", [0, 2, 6])
def test_merged_observers_equal_one_that_saw_everything(method: str, first: int) -> None:
    one, other, both = (make_observer(method) for _ in range(3))
    for index, tensor in enumerate(tensors(6)):
        (one if index < first else other).observe(tensor)
        both.observe(tensor)
    one.merge(other)
    assert one.range() == both.range()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text", "pickle", "other names"])
def test_a_damaged_file_counts_as_absent(damage: str, tmp_path: Path) -> None:
    cache = ObserverCache(folder=tmp_path, key=KEY)
    cache.save(watched("mse", tensors(3)), 3)
    content = bytearray(cache.path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    match damage:
        case "truncated":
            cache.path.write_bytes(cache.path.read_bytes()[:-40])
        case "flipped":
            cache.path.write_bytes(content)
        case "empty":
            cache.path.write_bytes(b"")
        case "text":
            cache.path.write_bytes(b"not a zip file")
        case "pickle":
            np.savez(cache.path, seen=np.array([object()], dtype=object))
        case "other names":
            cache.save({"stray": make_observer("mse")}, 3)
    observers = watched("mse", [])
    assert cache.load(observers) == 0
    for observer in observers.values():
        observer.observe(tensors(1)[0])
    expected = watched("mse", tensors(1))
    assert {name: o.range() for name, o in observers.items()} == {name: o.range() for name, o in expected.items()}


def test_only_whole_files_and_the_newest_stay(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 3):
        ObserverCache(folder=tmp_path, key=f"{number:064x}").save({"a": make_observer("min-max")}, 1)
    assert len(list(tmp_path.iterdir())) == MAX_FILES
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ObserverCache(folder=tmp_path / "file" / "below", key=KEY)
    cache.save(watched("mse", tensors(1)), 1)
    assert cache.load(watched("mse", [])) == 0
