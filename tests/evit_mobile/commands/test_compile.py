"""What `compile` refuses before any work, and with which exit code. What it writes is tested where the compiler is: tests/qualcomm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters.contract import Precision
from converters.files import sha256
from converters.qualcomm import libraries
from evit_mobile.commands.compile import Compilation, is_compiled, with_entry
from evit_mobile.findings import Verdict
from evit_mobile.record.files import write_manifest
from tests.evit_mobile.commands.written import folder
from tests.evit_mobile.test_cli import run
from tests.manifests import ARTEFACT, PASSED, artefact, of_model


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


@pytest.mark.parametrize(
    ("format", "precision", "dtype", "taken"),
    [
        ("tflite", Precision.INT8, "float32", True),
        ("tflite", Precision.INT8_FULL, "int8", True),
        ("onnx", Precision.A16W8, "float32", True),
        ("tflite", Precision.INT8_WEIGHTS, "float32", False),
        ("tflite", Precision.INT8, "uint8", False),
        ("executorch", Precision.INT8, "float32", False),
        ("tflite-sm8650", Precision.INT8, "float32", False),
    ],
)
def test_what_there_is_a_compiler_for(format: str, precision: Precision, dtype: str, taken: bool) -> None:
    inputs = (replace(ARTEFACT.inputs[0], dtype=dtype),)
    assert is_compiled(artefact("a", format=format, precision=precision, inputs=inputs)) == taken


@pytest.mark.parametrize(
    ("verdict", "proven"), [(Verdict.PASSED, True), (Verdict.FAILED, False), (Verdict.NOT_RUN, False)]
)
def test_only_what_was_compiled_has_to_pass(verdict: Verdict, proven: bool, tmp_path: Path) -> None:
    earlier = artefact("earlier", validations=(replace(PASSED, verdict=Verdict.FAILED),))
    now = artefact("now", validations=(replace(PASSED, verdict=verdict),))
    assert Compilation(folder=tmp_path, manifest=of_model(earlier, now), paths=("now",)).proven == proven


def test_of_a_folder_what_is_not_compiled_is_passed_over_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(libraries, "missing", lambda: f"not installed: {libraries.HOW}")
    folder(tmp_path, precision=Precision.FP16)
    assert run(monkeypatch, "compile", str(tmp_path)) == 2
    assert "m.int8.tflite (tflite, fp16, takes float32)" in " ".join(capfd.readouterr().err.split())
    path = tmp_path / "m.int8.tflite"
    able = artefact(path.name, sha256=sha256(path))
    write_manifest(of_model(able, artefact("gone.pte", format="executorch")), tmp_path)
    assert run(monkeypatch, "compile", str(tmp_path)) == 3
