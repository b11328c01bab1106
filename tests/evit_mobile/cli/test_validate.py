"""`evit-mobile validate`: what it hands on, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from converters.contract import Precision
from evit_mobile.commands.per_operation import OperationCheck
from evit_mobile.commands.validate import FolderValidation, GoldenCheck, Revalidation
from evit_mobile.findings import Verdict
from tests.evit_mobile.cli.command_line import Handed, command
from tests.manifests import PASSED


def judged(verdict: Verdict = Verdict.PASSED, golden: Verdict | None = None) -> FolderValidation:
    validation = replace(PASSED, verdict=verdict, reason="planted")
    one = Revalidation(path=Path("a.tflite"), format="tflite", precision=Precision.INT8, validations=(validation,))
    return FolderValidation(
        artefacts=(one,), golden=None if golden is None else GoldenCheck(verdict=golden, reason="8 images")
    )


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Handed:
    found = Handed(judged())
    monkeypatch.setattr("evit_mobile.commands.validate.validate", found)
    return found


def test_options_are_handed_on(below: Handed) -> None:
    judges = ("--on", "xnnpack", "--on", "gpu", "--allow-few")
    files = ("--images", "photos", "--labels", "names.txt", "--weights", "moved.pth")
    code, _, err = command("validate", "release", *files, *judges)
    assert (code, err) == (0, "working")
    assert below.arguments == (Path("release"),)
    assert below.options == {
        "images": Path("photos"),
        "labels": Path("names.txt"),
        "weights": "moved.pth",
        "on": ["xnnpack", "gpu"],
        "allow_few": True,
    }
    command("validate", "release")
    assert below.options == {"images": None, "labels": None, "weights": None, "on": (), "allow_few": False}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (judged(), 0),
        (judged(golden=Verdict.PASSED), 0),
        (judged(Verdict.FAILED), 1),
        (judged(Verdict.NOT_RUN), 1),
        (judged(golden=Verdict.FAILED), 1),
    ],
    ids=["passed", "golden passed", "failed", "not run", "golden failed"],
)
def test_it_ends_well_where_everything_passed(found: FolderValidation, code: int, below: Handed) -> None:
    below.answer = found
    ended = command("validate", "release", "--json")
    assert ended.code == code
    document = json.loads(ended.out)
    assert document["artefacts"][0]["validation"]["verdict"] == found.artefacts[0].validation.verdict
    assert "operations" not in document


@pytest.mark.usefixtures("below")
def test_operations_one_by_one_come_behind_the_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    check = OperationCheck(path="a.tflite", on="qualcomm:SM8650", operations=5, off=())
    able, ran = Handed([]), Handed((check,))
    monkeypatch.setattr("evit_mobile.commands.per_operation.step_judges", able)
    monkeypatch.setattr("evit_mobile.commands.per_operation.per_operation", ran)
    words = ("validate", "a.tflite", "--on", "qualcomm:SM8650", "--images", "photos", "--per-operation")
    ended = command(*words, "--json")
    assert ended.code == 0
    assert able.arguments == ran.arguments == (Path("a.tflite"), ["qualcomm:SM8650"])
    assert ran.options == {"images": Path("photos"), "weights": None}
    assert json.loads(ended.out)["operations"] == [
        {"path": "a.tflite", "on": "qualcomm:SM8650", "beside": "the CPU", "operations": 5, "off": []}
    ]
    assert "on qualcomm:SM8650, 5 operations one by one: none is more than one quantum off" in command(*words).out


def test_operations_without_a_judge_are_refused_before_the_work(below: Handed, tmp_path: Path) -> None:
    code, out, _ = command("validate", tmp_path / "a.tflite", "--per-operation")
    assert (code, out, below.called) == (2, "", False)
