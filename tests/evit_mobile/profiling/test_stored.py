"""profile.jsonl: lines are added whole and read again, and a file that is none is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.errors import ArtefactError
from evit_mobile.profiling.stored import append, read, unavailable


@pytest.mark.parametrize("content", [None, "{", json.dumps({"schema": 2}), "[]"])
def test_damaged_files_are_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "profile.jsonl").write_text(content)
    with pytest.raises(ArtefactError):
        read(tmp_path / "profile.jsonl")


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    append(tmp_path / "profile.jsonl", [{"schema": 1, "value": float("nan")}])
    assert read(tmp_path / "profile.jsonl") == [{"schema": 1, "value": None}]


def test_lines_are_added_behind_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "profile.jsonl"
    append(path, [{"schema": 1, "run": "a", "blocks_ms": (1.0, 2.0)}])
    append(path, [{"schema": 1, "run": "b"}, {"schema": 1, "run": "c"}])
    append(path, [])
    lines = path.read_text().splitlines()
    assert lines[0] == '{"schema":1,"run":"a","blocks_ms":[1.0,2.0]}'
    assert [item["run"] for item in read(path)] == ["a", "b", "c"]


def test_empty_lines_hold_no_record(tmp_path: Path) -> None:
    (tmp_path / "profile.jsonl").write_text('\n{"schema": 1}\n\n')
    assert read(tmp_path / "profile.jsonl") == [{"schema": 1}]


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"none\.jsonl, which cannot be read \(No such file or directory\)"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "newer.jsonl").write_text('{"schema": 1}\n{"schema": 3}\n{"schema": 2}\n')
    with pytest.raises(ArtefactError, match=r"with schema 2, 3; allowed: schema 1; profile again"):
        read(tmp_path / "newer.jsonl")


def test_what_cannot_be_measured_says_why() -> None:
    assert unavailable("no counters") == {"unavailable": "no counters"}
