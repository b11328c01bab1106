"""`evit-mobile export-app`: what it hands on, what it prints and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evit_mobile.cli.command_line import Handed, command

DOCUMENT = {
    "app": "ios",
    "folder": "app/Models",
    "model": "efficientvit_m0",
    "artefacts": ["m0.mlpackage"],
    "left_out": ["m0.onnx"],
    "golden": 8,
    "bytes": 1234567,
}


def test_options_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    below = Handed(DOCUMENT)
    monkeypatch.setattr("evit_mobile.demos.export.export_app", below)
    code, out, err = command("export-app", "ios", "--from", "release", "--out", "app", "--force", "--json")
    assert (code, json.loads(out), err) == (0, DOCUMENT, "")
    assert (below.arguments, below.options) == (("ios", Path("release"), Path("app")), {"force": True})


def test_people_are_told_what_went_where(monkeypatch: pytest.MonkeyPatch) -> None:
    below = Handed(DOCUMENT)
    monkeypatch.setattr("evit_mobile.demos.export.export_app", below)
    out = command("export-app", "ios", "--from", "release").out
    assert (below.arguments[2], below.options) == (None, {"force": False})
    for words in ("efficientvit_m0 for ios", "m0.onnx, which this app does not run", "8 images", "1,234,567"):
        assert words in out


def test_an_app_that_there_is_not(tmp_path: Path) -> None:
    code, out, err = command("export-app", "andriod", "--from", tmp_path)
    assert (code, out) == (2, "")
    assert "got app 'andriod'" in err
    assert "did you mean android?" in err


def test_a_folder_has_to_be_named() -> None:
    code, _, err = command("export-app", "ios")
    assert code == 2
    assert "--from" in err
