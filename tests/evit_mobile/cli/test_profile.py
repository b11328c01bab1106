"""`evit-mobile profile`: what it hands on, what it prints and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.profiling.protocol import Settings
from evit_mobile.report.profiles import LEGEND
from tests.evit_mobile.cli.command_line import Handed, command


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Handed:
    found = Handed({"profiles": [], "ratios": []})
    monkeypatch.setattr("evit_mobile.profiling.run.profile", found)
    return found


def test_options_are_handed_on(below: Handed) -> None:
    place = ("--on", "adb:SERIAL", "--python", "python3.12", "--runner", "tools/runner", "--force-energy")
    settings = ("--threads", "4", "--bound", "0.05", "--budget", "3", "--out", "p.jsonl", "--json")
    code, out, err = command("profile", "a.tflite", "b.pte", *place, *settings)
    assert (code, json.loads(out), err) == (0, {"profiles": [], "ratios": []}, "working")
    assert below.arguments == ([Path("a.tflite"), Path("b.pte")],)
    assert below.options == {
        "place": "adb:SERIAL",
        "settings": Settings(threads=4, bound=0.05, budget_s=3.0),
        "python": "python3.12",
        "runner": Path("tools/runner"),
        "out": Path("p.jsonl"),
        "force_energy": True,
    }


def test_without_options_it_is_here_and_as_settings_say(below: Handed) -> None:
    code, out, _ = command("profile", "a.tflite")
    assert code == 0
    assert LEGEND in " ".join(out.split())
    assert (below.options["place"], below.options["settings"]) == ("host", Settings())
    assert (below.options["out"], below.options["runner"], below.options["force_energy"]) == (None, None, False)


@pytest.mark.parametrize("words", ["--threads 0", "--bound 1", "--budget 0", "--threads one"])
def test_settings_that_make_no_sense_are_refused(words: str, below: Handed) -> None:
    code, out, _ = command("profile", "a.tflite", *words.split())
    assert (code, out, below.called) == (2, "", False)


def test_an_artefact_has_to_be_named(below: Handed) -> None:
    assert command("profile").code == 2
    assert not below.called


def test_a_place_that_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"")
    code, out, err = command("profile", tmp_path / "a.tflite", "--on", "moon")
    assert (code, out) == (2, "")
    assert "moon" in err
