"""What `compile` refuses before any work, and with which exit code. What it writes is tested where the compiler is: tests/qualcomm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters.contract import Precision
from converters.files import sha256
from converters.qualcomm import libraries
from evit_mobile.commands.compile import with_entry
from evit_mobile.record.files import write_manifest
from tests.evit_mobile.test_cli import run
from tests.manifests import ARTEFACT, artefact, of_model


def folder(place: Path, **changes: Any) -> Path:
    """A folder whose manifest lists one file."""
    path = place / "m.int8.tflite"
    path.write_bytes(b"file")
    write_manifest(of_model(artefact(path.name, **{"sha256": sha256(path), **changes})), place)
    return path


@pytest.mark.parametrize(
    ("changes", "arguments", "code", "said"),
    [
        ({}, ["--soc", "SM9999"], 2, "SM8350"),
        ({"precision": Precision.FP32}, [], 2, "int8 or int8-full"),
        ({"inputs": (replace(ARTEFACT.inputs[0], dtype="uint8"),)}, [], 2, "takes a tensor"),
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
    old, other, new = artefact("a", bytes=1), artefact("b"), artefact("a", bytes=2)
    assert with_entry(of_model(old, other), new).artefacts == (other, new)
