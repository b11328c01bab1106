"""Judges by name: which an artefact has, what one that cannot run it says, and that exit code 0 means all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from converters.contract import Runner
from converters.registry import FORMATS, ROWS, UnknownTargetError, find_judge, find_target
from evit_mobile.errors import UsageError
from evit_mobile.record.manifest import Manifest
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets
from evit_mobile.validation.judges import judges_for
from tests.evit_mobile.test_cli import run


@pytest.mark.parametrize(("format", "name"), [(row.name, name) for row in FORMATS for name in row.judges])
def test_a_judge_says_what_it_is_and_needs(format: str, name: str) -> None:
    judge = find_judge(name, format)
    assert judge.runtime
    assert judge.missing() is None or any(word in str(judge.missing()) for word in ("run", "install"))


def test_an_unknown_judge_is_named() -> None:
    with pytest.raises(UnknownTargetError, match="xnnpack, arm, vela, gpu"):
        find_judge("hexagon", "tflite")


def test_without_a_question_the_usual_judge_is_the_target() -> None:
    for format, name in (("tflite", "xnnpack"), ("coreml", "evaluator"), ("executorch-vulkan", "")):
        target = find_target(format)
        assert judges_for(target) == judges_for(target, ["hexagon"]) == {name: target}
    assert list(judges_for(find_target("tflite"), ["vela", "xnnpack"])) == ["xnnpack", "vela"]


def test_a_judge_of_no_format_is_refused() -> None:
    def targets(*on: str) -> object:
        return usable_targets(ConvertRequest.of(formats=["tflite", "coreml"], on=on))

    targets("arm", "evaluator")
    with pytest.raises(UsageError, match=r"--on hexagon .*xnnpack, arm, vela, gpu for tflite"):
        targets("arm", "hexagon")


class Wrong:
    """A judge that gives the negative of what the file gives: planted."""

    runtime = "a processor that negates"

    def missing(self) -> None:
        return None

    def load(self, path: Path) -> Runner:
        runner = find_target("tflite").load(path)
        return lambda images: -runner(images)


class Absent:
    runtime = "a processor that is not here"

    def missing(self) -> str:
        return "not here"

    def load(self, path: Path) -> Runner:
        raise AssertionError(path)


@pytest.mark.slow
def test_every_judge_has_its_verdict_and_one_is_enough_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    row = ROWS["tflite"]
    judges = {"xnnpack": row.target, "wrong": f"{__name__}:Wrong", "absent": f"{__name__}:Absent"}
    monkeypatch.setitem(ROWS, "tflite", replace(row, judges=judges))
    options = ("--format", "tflite", "--fp32", "--size", "64", "--golden", "0", "--out", str(tmp_path), "--json")
    assert run(monkeypatch, "convert", *options, "--on", "xnnpack", "--on", "wrong", "--on", "absent") == 1
    (entry,) = Manifest.from_json(json.loads(capfd.readouterr().out)).artefacts
    found = {one.on: one.verdict for one in entry.validations}
    assert found == {"xnnpack": "passed", "wrong": "failed", "absent": "not_run"}
    assert (entry.validation.on, entry.validation.verdict) == ("xnnpack", "failed")
    monkeypatch.setenv("COLUMNS", "200")
    for judge, code, said in (("xnnpack", 0, "XNNPACK"), ("wrong", 1, "that negates"), ("absent", 1, "not here")):
        assert run(monkeypatch, "validate", str(tmp_path), "--on", judge) == code
        assert said in capfd.readouterr().out
    assert run(monkeypatch, "validate", str(tmp_path)) == 0
    assert run(monkeypatch, "validate", str(tmp_path), "--on", "hexagon") == 2
