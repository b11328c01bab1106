"""`evit-mobile models`: every variant, for programs and for people."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.evit_mobile.test_cli import run


def test_models_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "models", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 25
    assert Counter(row["task"] for row in rows) == {"classification": 13, "segmentation": 11, "features": 1}
    assert {row["name"] for row in rows if row["bundled"]} == {"efficientvit_m0", "efficientvit_b0"}


def test_models_as_a_table_fits_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, "models") == 0
    out = capsys.readouterr().out
    assert "efficientvit_l3" in out
    assert "…" not in out
