"""What `compile` refuses before any work, and with which exit code. What it writes is tested where the compiler is: tests/qualcomm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError
from converters.files import sha256
from converters.qualcomm import libraries
from evit_mobile.commands.compile import with_entry
from evit_mobile.commands.per_operation import origin
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
        ({"precision": Precision.FP32}, [], 2, "int8 or int8-full or a16w8"),
        ({"inputs": (replace(ARTEFACT.inputs[0], dtype="uint8"),)}, [], 2, "takes a tensor"),
        ({"format": "coreml"}, [], 2, "a file of tflite or onnx"),
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


@pytest.mark.parametrize("options", [[], ["--on", "xnnpack"]])
def test_operations_one_by_one_need_a_judge_that_runs_them(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "validate", str(folder(tmp_path)), "--per-operation", *options) == 2
    assert "--on qualcomm:SM8350" in " ".join(capfd.readouterr().err.split())


def test_operations_are_those_of_the_file_that_an_artefact_was_compiled_from(tmp_path: Path) -> None:
    path = folder(tmp_path)
    compiled = artefact("m.int8.sm8650.tflite", format="tflite-sm8650")
    manifest = of_model(artefact(path.name, sha256=sha256(path)), compiled)
    assert origin(tmp_path, manifest, compiled, "tflite") == path
    path.write_bytes(b"another")
    with pytest.raises(ArtefactError, match="not the file that was written"):
        origin(tmp_path, manifest, compiled, "tflite")
