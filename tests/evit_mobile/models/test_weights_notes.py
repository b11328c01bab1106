"""What was decided while weights were loaded is told: by the loader, the manifest, the table and `validate`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from evit_mobile import cli
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.reference import load_reference
from tests.evit_mobile.models.states import State, fresh


def notes(content: Any, folder: Path, *, size: tuple[int, int] | None = None) -> str:
    path = folder / "weights.pth"
    torch.save(content, path)
    return "; ".join(load_checkpoint(path, size=size).notes)


def test_the_size_of_an_m_model_is_told(m0: State, tmp_path: Path) -> None:
    assert "alike at 224 and 256 pixels; 224 is used" in notes(m0, tmp_path)
    assert "input size 64x64, from the bias tables" in notes(fresh("efficientvit_m0", 64), tmp_path)
    args = argparse.Namespace(img_size=256)
    assert "input size 256x256, as stated" in notes({"state_dict": m0, "args": args}, tmp_path)
    args = argparse.Namespace(img_size=512)
    told = notes({"state_dict": m0, "args": args}, tmp_path)
    assert "512x512, the input size stated with the weights, is not that of their bias tables" in told
    assert "windows 7, 7, 4 resized to 4, 2, 1" in notes(m0, tmp_path, size=(64, 64))
    assert "resized" not in notes(m0, tmp_path, size=(256, 256))


def test_the_size_of_a_b_model_is_told(b0: State, tmp_path: Path) -> None:
    assert "do not say their input size; 224x224" in notes(b0, tmp_path)
    args = {"state_dict": b0, "hyper_parameters": {"img_size": 192}}
    assert "input size 192x192, as stated with the weights" in notes(args, tmp_path)
    assert "used at 64x64, as asked for" in notes(b0, tmp_path, size=(64, 64))


def test_how_the_file_keeps_the_weights_is_told(b0: State, tmp_path: Path) -> None:
    halved = {key: tensor.bfloat16() if tensor.is_floating_point() else tensor for key, tensor in b0.items()}
    assert "stored as bfloat16; the reference computes in float32" in notes(halved, tmp_path)
    assert "stored as" not in notes(b0, tmp_path)


def test_what_is_decided_about_bundled_weights_is_nobodys_question() -> None:
    assert load_reference("efficientvit_m0").notes == ()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["evit-mobile", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_convert_and_validate_tell_the_same(
    m0: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, out = tmp_path / "weights.pth", tmp_path / "out"
    torch.save({"state_dict_ema": m0, "state_dict": m0}, weights)
    convert = ("convert", "--weights", str(weights), "--fp32", "--format", "tflite", "--size", "64", "--out", str(out))
    run(monkeypatch, *convert)
    printed = " ".join(capsys.readouterr().out.split())
    manifest = json.loads((out / "manifest.json").read_text())
    told = manifest["model"]["notes"]
    assert "left 'state_dict'" in told[0]
    assert all(f"weights: {note}" in printed for note in told)
    run(monkeypatch, "validate", str(out))
    assert all(f"weights: {note}" in " ".join(capsys.readouterr().out.split()) for note in told[:1])
    run(monkeypatch, "validate", str(out), "--json")
    assert json.loads(capsys.readouterr().out)["notes"] == told
    run(monkeypatch, "report", str(out))
    assert "took &#39;state_dict_ema&#39;" in (out / "report.html").read_text()
