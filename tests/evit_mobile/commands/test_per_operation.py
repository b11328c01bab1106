"""Which operations are off: on which judges, of which file, and by how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import ArtefactError
from converters.files import sha256
from converters.interface import Function
from converters.traits import StepDifference
from evit_mobile.commands import per_operation as checking
from evit_mobile.commands.per_operation import origin, per_operation, step_judges
from evit_mobile.errors import UsageError
from evit_mobile.record.files import write_manifest
from evit_mobile.report.lines import operations_line
from tests.evit_mobile.commands.written import folder
from tests.evit_mobile.test_cli import run
from tests.manifests import artefact, of_model


@pytest.mark.parametrize("options", [[], ["--on", "xnnpack"]])
def test_operations_one_by_one_need_a_judge_that_runs_them(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "validate", str(folder(tmp_path)), "--per-operation", *options) == 2
    assert "--on qualcomm:SM8350" in " ".join(capfd.readouterr().err.split())


def test_operations_are_those_of_the_file_that_an_artefact_was_compiled_from(tmp_path: Path) -> None:
    path = folder(tmp_path)
    compiled = artefact("m.int8.sm8650.tflite", format="tflite-sm8650")
    manifest = of_model(artefact(path.name, sha256=sha256(path)), compiled)
    assert origin(tmp_path, manifest, compiled, "tflite") == path
    path.write_bytes(b"another")
    with pytest.raises(ArtefactError, match="not the file that was written"):
        origin(tmp_path, manifest, compiled, "tflite")


def difference(name: str, quanta: int) -> StepDifference:
    return StepDifference(operation=name, tensor=name, module="head", quanta=quanta, differing=0.5)


class Stepping:
    """A judge that runs three operations, of which two are off by more than a rounding."""

    made_from = "tflite"
    runtime = "an emulator"

    def __init__(self) -> None:
        self.ran: list[tuple[Path, tuple[int, ...]]] = []

    def missing(self) -> str | None:
        return None

    def load(self, path: Path) -> Any:
        raise AssertionError(path)

    def steps(self, path: Path, images: np.ndarray) -> list[StepDifference]:
        self.ran.append((path, images.shape))
        return [difference("RELU", 1), difference("MUL", 2), difference("SOFTMAX", 9)]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Stepping:
    found = Stepping()
    monkeypatch.setattr(checking, "find_judge", lambda *_: found)
    return found


def compiled(place: Path) -> Path:
    """The path of a file that is listed as compiled from another one beside it."""
    source = folder(place)
    path = place / "m.int8.sm8650.tflite"
    path.write_bytes(b"compiled")
    listed = artefact(path.name, format="tflite-sm8650", sha256=sha256(path))
    manifest = of_model(artefact(source.name, sha256=sha256(source)), listed)
    write_manifest(replace(manifest, calibration=replace(manifest.calibration, source="bundled:train")), place)
    return path


def test_operations_more_than_one_quantum_off_are_told_in_order(tmp_path: Path, judge: Stepping) -> None:
    (check,) = per_operation(compiled(tmp_path), ["qualcomm:SM8650"])
    assert (check.path, check.on, check.operations) == ("m.int8.sm8650.tflite", "qualcomm:SM8650", 3)
    assert check.off == (difference("MUL", 2), difference("SOFTMAX", 9))
    assert judge.ran == [(tmp_path / "m.int8.tflite", (1, 3, 32, 32))]


@pytest.mark.usefixtures("judge")
def test_of_a_folder_those_are_run_that_a_named_judge_runs(tmp_path: Path) -> None:
    compiled(tmp_path)
    ((entry, name),) = step_judges(tmp_path, ["qualcomm:SM8650", "qualcomm:SM8350"])
    assert (entry.path, name) == ("m.int8.sm8650.tflite", "qualcomm:SM8650")
    with pytest.raises(UsageError, match="got --per-operation with --on qualcomm:SM8350"):
        step_judges(tmp_path, ["qualcomm:SM8350"])


@pytest.mark.usefixtures("judge")
def test_without_the_file_it_was_compiled_from_nothing_runs(tmp_path: Path) -> None:
    path = compiled(tmp_path)
    (tmp_path / "m.int8.tflite").unlink()
    with pytest.raises(ArtefactError, match=r"m\.int8\.tflite, which is missing or not the file that was written"):
        per_operation(path, ["qualcomm:SM8650"])


class Holding:
    """A judge that holds the operations of a file against the program of it."""

    def program_steps(self, path: Path, function: Function, images: np.ndarray) -> tuple[StepDifference, ...]:
        assert (function, images.shape) == (FUNCTION, (1, 3, 32, 32))
        return (difference(path.name, 3), difference("ADD", 1))


FUNCTION = Function(program=None)  # type: ignore[arg-type]  # handed on


def test_a_judge_of_programs_is_given_the_one_that_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "find_judge", lambda *_: Holding())
    monkeypatch.setattr(checking, "asked", lambda *_: None)
    monkeypatch.setattr(checking, "prepared_again", lambda *_: FUNCTION)
    path = tmp_path / "m.aimodel"
    path.touch()
    manifest = of_model(artefact(path.name, format="coreai", sha256="damaged"))
    write_manifest(replace(manifest, calibration=replace(manifest.calibration, source="bundled:train")), tmp_path)
    (check,) = per_operation(tmp_path, ["coreai"])
    assert (check.on, check.beside, check.operations) == ("coreai", "PyTorch", 2)
    assert check.off == (difference("m.aimodel", 3),)
    assert operations_line(check).plain.endswith(
        "1 are more than one quantum off PyTorch, the first m.aimodel of head (m.aimodel): 3 quanta, 50.0 % of its values differ"
    )
    assert operations_line(replace(check, off=())).plain.endswith("none is more than one quantum off PyTorch")


def test_without_the_request_a_judge_of_programs_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "find_judge", lambda *_: Holding())
    (tmp_path / "m.aimodel").touch()
    write_manifest(of_model(artefact("m.aimodel", format="coreai")), tmp_path)
    with pytest.raises(UsageError, match="the latest one only"):
        step_judges(tmp_path, ["coreai"])
