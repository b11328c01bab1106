"""What `compile` refuses before any work, and with which exit code. What it writes is tested where the compiler is: tests/qualcomm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.files import sha256
from converters.qualcomm import libraries
from evit_mobile.commands.compile import with_entry
from evit_mobile.manifest import FIELDS
from tests.evit_mobile.test_cli import run
from tests.test_architecture import EMPTY


def folder(place: Path, **changes: Any) -> Path:
    """A folder whose manifest lists one file."""
    path = place / "m.int8.tflite"
    path.write_bytes(b"file")
    entry = {
        "format": "tflite",
        "precision": "int8",
        "path": path.name,
        "sha256": sha256(path),
        "inputs": [{"dtype": "float32"}],
        **changes,
    }
    (place / "manifest.json").write_text(json.dumps(dict.fromkeys(FIELDS) | EMPTY | {"artefacts": [entry]}))
    return path


@pytest.mark.parametrize(
    ("changes", "arguments", "code", "said"),
    [
        ({}, ["--soc", "SM9999"], 2, "SM8350"),
        ({"precision": "fp32"}, [], 2, "int8 or int8-full"),
        ({"inputs": [{"dtype": "uint8"}]}, [], 2, "takes a tensor"),
        ({"format": "coreml"}, [], 2, "LiteRT file"),
        ({"sha256": "0"}, [], 2, "not the file that was written"),
        ({}, ["--soc", "sm8650"], 3, "pip install 'evit-mobile[qualcomm]'"),
    ],
    ids=["unknown SoC", "fp32", "pixels", "another format", "another file", "no wheel"],
)
def test_what_is_not_compiled_is_refused_before_the_work(
    changes: dict[str, Any],
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(libraries, "missing", lambda: f"not installed: {libraries.HOW}")
    path = folder(tmp_path, **changes)
    assert run(monkeypatch, "compile", str(path), *arguments) == code
    assert said in capfd.readouterr().err
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["m.int8.tflite", "manifest.json"]


def test_an_entry_replaces_that_of_the_same_file() -> None:
    manifest = {"artefacts": [{"path": "a", "old": True}, {"path": "b"}]}
    assert with_entry(manifest, {"path": "a"}) == {"artefacts": [{"path": "b"}, {"path": "a"}]}
