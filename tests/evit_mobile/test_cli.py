"""The command line's contract: exit codes, messages, JSON on stdout and nothing else."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calib import Bundled, open_bundled
from evit_mobile import cli
from evit_mobile.models.bundled import bundled_checkpoint


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of one command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["evit-mobile", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code in the checkpoint was run",))


@pytest.fixture
def bad_inputs(tmp_path: Path) -> dict[str, str]:
    """Paths of damaged things, by name."""
    weights = bundled_checkpoint("efficientvit_m0").read_bytes()
    (tmp_path / "truncated.safetensors").write_bytes(weights[: len(weights) // 2])
    torch.save({"state_dict": torch.zeros(2), "extra": Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    for index in range(20):
        pixels = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(broken / f"{index:02}.png")
    for index in range(20):
        (broken / f"unreadable{index:02}.png").write_bytes(b"not an image")
    (tmp_path / "file").write_text("in the way")
    return {path.stem: str(path) for path in tmp_path.iterdir()}


CONVERT = ("convert", "--format", "tflite")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*CONVERT, "--model", "efficientvit_m9"), "efficientvit_m0"),
        ((*CONVERT, "--task", "detection"), "multilabel"),
        ((*CONVERT, "--task", "segmentation"), "whose task is classification"),
        ((*CONVERT, "--task", "multilabel", "--max-drop", "1"), "whose task is multilabel"),
        (("convert", "--format", "caffe"), "tflite"),
        ((*CONVERT, "--weights", "{truncated}"), "truncated.safetensors"),
        ((*CONVERT, "--weights", "{bomb}"), "bomb.pth"),
        ((*CONVERT, "--weights", "{plain}"), "plain.pth"),
        ((*CONVERT, "--weights", "nowhere.pth"), "nowhere.pth"),
        ((*CONVERT, "--num-classes", "5"), "5"),
        ((*CONVERT, "--calib", "{empty}"), "no image"),
        ((*CONVERT, "--calib", "{broken}"), "unreadable"),
        ((*CONVERT, "--calib", "nowhere"), "nowhere"),
        ((*CONVERT, "--size", "100"), "multiples of 32"),
        ((*CONVERT, "--size", "big"), "HEIGHTxWIDTH"),
        ((*CONVERT, "--out", "{file}/below"), "written to"),
        ((*CONVERT, "--int8", "--fp16"), "one precision"),
        ((*CONVERT, "--int8-full", "--int8-weights"), "one precision"),
        (("convert", "--format", "executorch", "--int8-full"), "format executorch"),
        ((*CONVERT, "--fp16", "--max-drop", "1"), "--int8"),
        ((*CONVERT, "--max-drop", "-1"), "0 to 100"),
        (("sensitivity", "--plot", "harm.gif"), ".svg"),
        ((*CONVERT, "--model", "efficientvit_b2"), "--weights"),
        ((*CONVERT, "--model", "efficientvit_b0", "--relu-attention"), "--relu-attention for efficientvit_m0"),
        ((*CONVERT, "--relu-activation"), "--relu-activation for efficientvit_b0"),
        ((*CONVERT, "--relu-activation", "--relu-attention"), "--relu-attention for M"),
        ((*CONVERT, "--recovery-steps", "5"), "--relu-attention"),
        ((*CONVERT, "--relu-attention", "--int8-full"), "--relu-attention with"),
        (("validate", "nowhere"), "nowhere"),
        (("validate", "{empty}"), "manifest.json"),
        (("inspect", "{file}"), ".tflite"),
        (("evaluate", "{empty}"), "artefact"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_bad_input_is_explained_with_exit_code_2(
    arguments: tuple[str, ...],
    expected: str,
    bad_inputs: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [argument.format(**bad_inputs) if argument.startswith("{") else argument for argument in arguments]
    assert run(monkeypatch, *filled) == 2
    captured = capsys.readouterr()
    assert expected.lower() in captured.err.lower()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not list(tmp_path.glob("out/*.tflite"))


@pytest.mark.slow
def test_few_images_are_no_proof_unless_they_are_allowed_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = open_bundled(Bundled.TEST)
    np.savez(tmp_path / "few.npz", images=np.stack([np.asarray(dataset.item(index)) for index in range(3)]))
    out = tmp_path / "out"
    options = ("--calib", str(tmp_path / "few.npz"), "--size", "64", "--fp32", "--out", str(out))
    assert run(monkeypatch, *CONVERT, *options) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "too few to judge: 2 held-out images, at least 32 required" in printed
    assert "not_run" in printed
    assert run(monkeypatch, "validate", str(out)) == 1
    assert run(monkeypatch, "validate", str(out), "--allow-few") == 0
    assert run(monkeypatch, *CONVERT, *options, "--allow-few") == 0


def test_palettes_are_refused_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "convert", "--format", "tflite", "--palette", "4", "--out", str(tmp_path / "out")) == 2
    assert "int8-palette4 for format tflite" in capsys.readouterr().err


def test_an_unforeseen_error_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from evit_mobile.report import tables

    def fail() -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(tables, "model_rows", fail)
    assert run(monkeypatch, "models") == 3
    err = capsys.readouterr().err
    assert "planted" in err
    assert "Traceback" not in err
