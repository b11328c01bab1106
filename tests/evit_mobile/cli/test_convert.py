"""`evit-mobile convert`: what options become, what is refused at once, and how it ends."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.cli.convert import ConvertOptions, fields_of, requested
from evit_mobile.commands.convert import Conversion
from evit_mobile.findings import Verdict
from evit_mobile.recovery import procedure
from evit_mobile.request import ConvertRequest
from tests.evit_mobile.cli.command_line import Handed, command
from tests.evit_mobile.request.test_request import FULL
from tests.evit_mobile.test_cli import run
from tests.manifests import MANIFEST, PASSED, artefact, of_model


def test_options_replace_what_a_saved_request_says(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"schema": 1, "request": FULL.to_json()}))
    assert requested(ConvertOptions(request=path)) == FULL
    other = requested(ConvertOptions(request=path, int8_weights=False, fp16=False, seed=4, out=tmp_path))
    assert other == ConvertRequest.from_json({**FULL.to_json(), "seed": 4, "out": str(tmp_path)})


def test_every_field_is_an_option() -> None:
    """By its name, or by the flags and texts that become it."""
    names = {field.name for field in fields(ConvertRequest)} - {"module"}
    said = ConvertOptions(
        palette=4,
        format=["all"],
        size="224",
        sizes="224,256",
        squash=True,
        relu_attention=True,
        json=True,
        request=Path("x"),
    )
    options = {field.name for field in fields(ConvertOptions)}
    assert names == (names & options) | fields_of(said).keys()


def test_help_shows_the_defaults_of_a_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, "convert", "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    for option, default in (("--seed", 0), ("--golden", 8), ("--recovery-steps", procedure.STEPS)):
        assert any(option in line and f"[default: ({default})]" in line for line in lines), option
    for panel in ("Model", "Precision", "Images", "Core ML", "ExecuTorch", "Recovery", "Output"):
        assert any(line.startswith(f"╭─ {panel} ─") for line in lines), panel


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Handed:
    """Stands for the conversion, which passes."""
    found = Handed(Conversion(folder=Path("out"), manifest=MANIFEST))
    monkeypatch.setattr("evit_mobile.commands.convert.run", found)
    return found


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", {}),
        ("--format tflite --format coreml --fp16", {"formats": ["tflite", "coreml"], "precision": "fp16"}),
        ("--format coreml --palette 6", {"formats": ["coreml"], "precision": "int8-palette6"}),
        ("--format coreml --sizes 224,192x256", {"formats": ["coreml"], "sizes": ((224, 224), (192, 256))}),
        (
            "--size 64 --mean 0.5 --squash --no-cache",
            {"size": (64, 64), "mean": (0.5,), "resize": "squash", "cache": False},
        ),
        ("--format tflite --int8-full --float-io", {"formats": ["tflite"], "precision": "int8-full", "float_io": True}),
        ("--model efficientvit_m0 --relu-attention", {"model": "efficientvit_m0", "variation": "relu-attention"}),
        ("--max-drop 1 --on xnnpack --on gpu", {"max_drop": 1.0, "on": ["xnnpack", "gpu"]}),
        ("--golden 0 --out release --allow-few", {"golden": 0, "out": "release", "allow_few": True}),
    ],
)
def test_options_become_a_request(words: str, asked: dict[str, Any], below: Handed) -> None:
    assert command("convert", *words.split()).code == 0
    assert below.arguments[0] == ConvertRequest.of(**asked)


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASSED, 0), (Verdict.FAILED, 1), (Verdict.NOT_RUN, 1)])
def test_it_ends_well_where_every_file_passed(verdict: Verdict, code: int, below: Handed) -> None:
    entry = artefact("b.tflite", validations=(replace(PASSED, verdict=verdict, reason="planted"),))
    below.answer = Conversion(folder=Path("out"), manifest=of_model(artefact("a.tflite"), entry))
    ended = command("convert", "--json")
    assert (ended.code, ended.err) == (code, "")
    assert json.loads(ended.out)["artefacts"][1]["validations"][0]["verdict"] == verdict
    assert "b.tflite: 256 held-out images, a runtime" in command("convert").out


def test_progress_is_handed_on_and_is_no_part_of_the_result(below: Handed) -> None:
    ended = command("convert", "--json")
    below.arguments[1]("said of the work")
    assert "said of the work" not in ended.out
    assert json.loads(ended.out)["model"]["name"] == "tiny"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--int8 --fp16", "one precision"),
        ("--palette 5", "--palette 4 or 6"),
        ("--size 64x64x64", "HEIGHTxWIDTH"),
        ("--mean red", "--mean 'red'"),
        ("--golden -1", "--golden"),
        ("--seed first", "--seed"),
        ("--observer median", "median"),
        ("--max-drop 101", "0 to 100"),
        ("--a16w16", "a16w16"),
        ("--request nowhere.json", "nowhere.json"),
        ("file.pth", "file.pth"),
    ],
)
def test_what_is_refused_is_refused_before_the_work(words: str, said: str, below: Handed) -> None:
    code, out, err = command("convert", *words.split())
    assert (code, out, below.called) == (2, "", False)
    assert said in err
