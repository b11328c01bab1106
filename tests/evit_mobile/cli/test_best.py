"""`evit-mobile best`: its limits, what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.sweeps.best import Best
from tests.evit_mobile.cli.command_line import Handed, command
from tests.evit_mobile.cli.conftest import Run
from tests.evit_mobile.sweeps.test_best import record, sweep_of
from tests.evit_mobile.sweeps.test_front import PLAIN


def test_best_prints_what_keeps_the_limits(tmp_path: Path, run: Run) -> None:
    sweep = sweep_of(tmp_path / "sweep", record("a", top1=92.9), record("b", top1=90.0))
    code, out, _ = run("best", str(sweep), "--max-drop", "0.5", "--html", str(tmp_path / "front.html"))
    assert code == 0
    assert "1 of 2 files" in out
    assert "What to ship" in (tmp_path / "front.html").read_text()
    code, out, _ = run("best", str(sweep), "--max-drop", "0.01", "--json")
    assert code == 1
    assert json.loads(out)["chosen"] == []
    assert run("best", str(tmp_path / "no"))[0] == 2


def found(chosen: bool) -> Handed:
    ones = (PLAIN,) if chosen else ()
    return Handed(Best(out="o", gain="accuracy", candidates=(PLAIN,), chosen=ones, measured=None, notes=("a note",)))


def test_limits_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    below = found(chosen=True)
    monkeypatch.setattr("evit_mobile.sweeps.best.best", below)
    limits = ("--max-ms", "5", "--max-drop", "0.5", "--max-mb", "3", "--judge", "xnnpack", "--measure")
    code, out, err = command("best", "s3://bucket/sweep", *limits)
    assert below.arguments == ("s3://bucket/sweep",)
    assert below.options == {"max_ms": 5.0, "max_drop": 0.5, "max_mb": 3.0, "judge": "xnnpack", "measure": True}
    assert (code, err) == (0, "working")
    assert "1 of 1 files passed and keep the limits" in out
    assert "a note" in out


@pytest.mark.parametrize(("chosen", "code"), [(True, 0), (False, 1)])
def test_it_ends_well_where_something_is_left(chosen: bool, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    below = found(chosen)
    monkeypatch.setattr("evit_mobile.sweeps.best.best", below)
    ended = command("best", "out", "--json")
    assert ended.code == code
    assert [one["cell"] for one in json.loads(ended.out)["chosen"]] == ["a"][: len(below.answer.chosen)]
    assert below.options == {"max_ms": None, "max_drop": None, "max_mb": None, "judge": None, "measure": False}


def test_a_limit_that_is_no_number_is_refused() -> None:
    code, out, err = command("best", "out", "--max-ms", "fast")
    assert (code, out) == (2, "")
    assert "--max-ms" in err
