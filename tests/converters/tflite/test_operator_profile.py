"""LiteRT's own profiler by its C interface: every operator of a run, in order, and no more after it was read."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from converters.contract import Artefact
from converters.tflite.operator_profile import DELEGATED_OPERATOR, OPERATOR, Event, Memory, ProfiledModel


def test_a_run_is_its_operators(artefact: Artefact) -> None:
    model = ProfiledModel(str(artefact.path), 1, profiled=True, clock=None)
    model.run()
    model.start()
    model.run()
    once = model.operators()
    assert all(delegated for _, delegated, _ in once), "XNNPACK takes the whole file"
    assert [name for name, _, _ in once if "Convolution" in name]
    assert all(elapsed >= 0 for _, _, elapsed in once)
    model.start()
    model.run()
    assert [name for name, _, _ in model.operators()] == [name for name, _, _ in once]


def test_without_a_profiler_it_runs_all_the_same(artefact: Artefact) -> None:
    ProfiledModel(str(artefact.path), 2, profiled=False, clock=None).run()


def test_what_the_library_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="LiteRtCreateModelFromFile failed with status"):
        ProfiledModel(str(tmp_path / "none.tflite"), 1, profiled=False, clock=None)


def test_an_event_is_as_long_as_the_librarys() -> None:
    """litert/c/litert_profiler_event.h on 64 bits: tag, kind, start, elapsed, twice the memory, index, subgraph, source."""
    assert ctypes.sizeof(Memory) == 3 * 8
    assert ctypes.sizeof(Event) == 8 + 8 + 8 + 8 + 2 * 3 * 8 + 8 + 8 + 8
    assert (OPERATOR, DELEGATED_OPERATOR) == (2, 8)
