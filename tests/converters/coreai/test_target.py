"""Core AI as a target: what is chosen about a file reaches the writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.contract import Metadata, Precision
from converters.coreai import lower
from converters.coreai.target import CoreAITarget
from converters.interface import TENSORS, Choices, Function

FIRST, SECOND = (Function(program=name, islands=frozenset({f"{name}_mul"})) for name in ("first", "second"))  # type: ignore[arg-type]  # handed on


def test_islands_and_further_sizes_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[Any] = []
    monkeypatch.setattr(lower, "lower", lambda *arguments: given.extend(arguments))
    target = CoreAITarget().chosen(Choices(islands=frozenset({"first_mul"}), further=(SECOND,)))
    metadata = Metadata(description="a net")
    target.lower("first", Precision.FP16, tmp_path / "a", metadata)  # type: ignore[arg-type]  # handed on
    assert given == [(FIRST, SECOND), Precision.FP16, tmp_path / "a", metadata, TENSORS]


def test_plain_files_have_neither() -> None:
    assert (CoreAITarget().further, CoreAITarget().islands) == ((), frozenset())


def test_what_runs_it_here_is_said() -> None:
    assert ("Linux" in CoreAITarget.runtime) is CoreAITarget.evaluated is CoreAITarget.half_sums
