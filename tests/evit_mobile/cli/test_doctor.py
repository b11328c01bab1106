"""`evit-mobile doctor`: what is here, and what it would take."""

from __future__ import annotations

import json

import pytest

from converters.registry import FORMATS
from evit_mobile.report import tables
from tests.evit_mobile.cli.command_line import Handed, command
from tests.evit_mobile.test_cli import run


def test_doctor_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "doctor", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    precisions = {row["format"]: row["precisions"] for row in document["targets"]}
    assert list(precisions) == [row.name for row in FORMATS]
    with_palettes = [name for name, known in precisions.items() if any("palette" in precision for precision in known)]
    assert with_palettes == ["coreml", "coreai", "executorch-coreml"]


def test_what_is_missing_is_told_below_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = {"judge": "gpu", "format": "tflite", "runtime": "a driver", "missing": "install Mesa"}
    document = {
        "python": "3.11.2",
        "system": "Linux x86_64",
        "packages": {"numpy": "2.0", "coremltools": None},
        "targets": [{"format": "tflite", "precisions": ["fp32"], "runtime": "LiteRT", "missing": None}],
        "judges": [judge],
    }
    monkeypatch.setattr(tables, "doctor_rows", Handed(document))
    code, out, err = command("doctor")
    assert (code, err) == (0, "looking for toolchains")
    assert "Python 3.11.2 on Linux x86_64" in out
    assert "not installed" in out
    assert out.splitlines()[-1] == "gpu of tflite: install Mesa"
    assert json.loads(command("doctor", "--json").out) == document
