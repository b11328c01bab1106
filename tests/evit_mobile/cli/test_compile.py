"""`evit-mobile compile`: what it hands on, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from converters.qualcomm.socs import USUAL
from evit_mobile.commands.compile import Compilation
from evit_mobile.findings import Verdict
from tests.evit_mobile.cli.command_line import Handed, command
from tests.manifests import PASSED, artefact, of_model


def compiled(verdict: Verdict = Verdict.PASSED) -> Handed:
    """A folder with a file that failed long ago and one that was compiled now."""
    earlier = artefact("a.tflite", validations=(replace(PASSED, verdict=Verdict.FAILED),))
    now = artefact("a.sm8650.tflite", validations=(replace(PASSED, verdict=verdict, reason="planted"),))
    return Handed(Compilation(folder=Path("out"), manifest=of_model(earlier, now), paths=(now.path,)))


def test_options_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    below = compiled()
    monkeypatch.setattr("evit_mobile.commands.compile.compile", below)
    options = ("--soc", "SM8650", "--soc", "sm8750", "--images", "photos", "--weights", "w.pth", "--allow-few")
    code, _, err = command("compile", "out/a.tflite", *options)
    assert (code, err) == (0, "working")
    assert below.arguments == (Path("out/a.tflite"),)
    assert below.options == {
        "socs": ["SM8650", "sm8750"],
        "images": Path("photos"),
        "weights": "w.pth",
        "allow_few": True,
    }


def test_without_a_soc_it_is_for_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    below = compiled()
    monkeypatch.setattr("evit_mobile.commands.compile.compile", below)
    assert command("compile", "out").code == 0
    assert below.options == {"socs": USUAL, "images": None, "weights": None, "allow_few": False}


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASSED, 0), (Verdict.FAILED, 1), (Verdict.NOT_RUN, 1)])
def test_it_ends_well_where_what_was_compiled_passed(
    verdict: Verdict, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evit_mobile.commands.compile.compile", compiled(verdict))
    ended = command("compile", "out", "--json")
    assert ended.code == code
    assert [entry["path"] for entry in json.loads(ended.out)["artefacts"]] == ["a.tflite", "a.sm8650.tflite"]
