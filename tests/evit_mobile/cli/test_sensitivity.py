"""`evit-mobile sensitivity`: what it hands on, what it draws and what it refuses before the work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.commands.sensitivity import FIELDS, Sensitivity
from evit_mobile.quantization.sensitivity import ModuleHarm
from tests.evit_mobile.cli.command_line import Handed, command

FOUND = Sensitivity(
    model="efficientvit_m0",
    weights="bundled",
    images=32,
    predicted_sqnr_db=24.5,
    measured_sqnr_db=25.1,
    modules=[ModuleHarm(module="stem", output_sqnr_db=30.0, module_sqnr_db=35.0, share=1.0)],
)


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Handed:
    found = Handed(FOUND)
    monkeypatch.setattr("evit_mobile.commands.sensitivity.sensitivity", found)
    return found


def test_what_was_said_is_handed_on_and_nothing_else(below: Handed) -> None:
    words = "--model efficientvit_b0 --weights b0.pth --size 64x96 --std 0.5 --cover --no-cache --seed 3"
    code, _, err = command("sensitivity", *words.split())
    assert (code, err) == (0, "working")
    assert below.options == {
        "model": "efficientvit_b0",
        "weights": "b0.pth",
        "size": (64, 96),
        "std": (0.5,),
        "resize": "cover",
        "cache": False,
        "seed": 3,
    }
    assert set(below.options) <= {"model", *FIELDS}
    assert command("sensitivity").code == 0
    assert below.options == {}


@pytest.mark.usefixtures("below")
def test_json_is_one_object() -> None:
    code, out, _ = command("sensitivity", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["measured_sqnr_db"] == 25.1
    assert document["modules"] == [{"module": "stem", "output_sqnr_db": 30.0, "module_sqnr_db": 35.0, "share": 1.0}]
    assert "25.1 dB measured, 24.5 dB predicted" in command("sensitivity").out


def test_a_plot_is_drawn_of_what_was_found(below: Handed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Handed(None)
    monkeypatch.setattr("evit_mobile.commands.sensitivity.plot", drawn)
    assert command("sensitivity", "--plot", tmp_path / "harm.svg").code == 0
    assert drawn.arguments == (below.answer, tmp_path / "harm.svg")
    assert "plot" not in below.options


def test_a_plot_that_is_not_drawn_is_refused_before_the_work(below: Handed) -> None:
    code, out, err = command("sensitivity", "--plot", "harm.gif")
    assert (code, out, below.called) == (2, "", False)
    assert "--plot harm.gif" in err
