"""`evit-mobile compare`: two profiles, for programs and for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.profiling.stored import append
from tests.evit_mobile.cli.command_line import command
from tests.evit_mobile.profiling.test_comparison import written


@pytest.fixture
def profiles(tmp_path: Path) -> tuple[Path, Path]:
    """Of one artefact, which became a third faster."""
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    append(old, [written("a.tflite", "1", 3.0, 0)])
    append(new, [written("a.tflite", "2", 2.0, 1)])
    return old, new


def test_json_is_one_object(profiles: tuple[Path, Path]) -> None:
    code, out, err = command("compare", *profiles, "--json")
    assert (code, err) == (0, "")
    (item,) = json.loads(out)["comparisons"]
    assert (item["a"]["artefact"], item["verdict"], item["paired"]) == ("a.tflite", "faster", False)
    assert item["ratio"]["low"] < 2 / 3 < item["ratio"]["high"]


def test_people_are_told_which_is_which(profiles: tuple[Path, Path]) -> None:
    code, out, _ = command("compare", *profiles)
    assert code == 0
    assert "A: a.tflite" in out
    assert "B / A = 0.66" in out
    assert "B is faster" in out


def test_what_was_not_profiled_is_refused(profiles: tuple[Path, Path], tmp_path: Path) -> None:
    code, out, err = command("compare", profiles[0], tmp_path / "none.jsonl")
    assert (code, out) == (2, "")
    assert "none.jsonl, which cannot be read" in err
    assert command("compare", profiles[0]).code == 2
