"""Artefacts judged again: one that is not what was written fails unseen, and golden vectors count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters.contract import Precision
from converters.files import sha256
from evit_mobile.commands import validate as judging
from evit_mobile.commands.proving import Standard
from evit_mobile.commands.validate import (
    FolderValidation,
    GoldenCheck,
    Revalidation,
    check_golden,
    judge_again,
    validate,
)
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.record.manifest import GoldenEntry
from evit_mobile.reference import Reference
from tests.evit_mobile.commands.written import folder
from tests.manifests import MANIFEST, PASSED, artefact

FAILED = replace(PASSED, verdict=Verdict.FAILED, reason="SQNR", on="gpu")


def judged(*validations: Any) -> Revalidation:
    return Revalidation(path=Path("a"), format="tflite", precision=Precision.INT8, validations=validations)


@pytest.mark.parametrize(
    ("artefacts", "golden", "proven"),
    [
        ((judged(PASSED),), None, True),
        ((judged(PASSED), judged(FAILED)), None, False),
        ((judged(PASSED, FAILED),), None, False),
        ((judged(PASSED),), Verdict.PASSED, True),
        ((judged(PASSED),), Verdict.FAILED, False),
    ],
)
def test_a_folder_is_proven_where_every_judge_and_the_golden_vectors_pass(
    artefacts: tuple[Revalidation, ...], golden: Verdict | None, proven: bool
) -> None:
    check = None if golden is None else GoldenCheck(verdict=golden, reason="")
    assert FolderValidation(artefacts=artefacts, golden=check).proven == proven


def test_of_several_judges_the_verdict_is_that_of_all() -> None:
    found = judged(PASSED, FAILED).validation
    assert (found.verdict, found.reason, found.on) == (Verdict.FAILED, "gpu: SQNR", "judge")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "the file is missing"), (b"another", "the file is not the one that was written: its sha256 differs")],
)
def test_what_is_not_the_file_that_was_written_fails_unseen(
    content: bytes | None, reason: str, m0: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "proved", lambda *_: pytest.fail("it was run"))
    if content is not None:
        (tmp_path / "a.tflite").write_bytes(content)
    standard: Any = Standard(reference=m0, held_out=None, stages=[])  # type: ignore[arg-type]  # nobody reads them
    found = judge_again(tmp_path, artefact("a.tflite"), [standard], ("xnnpack", "vela"), allow_few=False)
    assert [(one.on, one.verdict, one.reason, one.images) for one in found.validations] == [
        ("xnnpack", Verdict.FAILED, reason, 0),
        ("vela", Verdict.FAILED, reason, 0),
    ]


def test_the_file_that_was_written_is_run_by_each_judge_on_its_terms(
    m0: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def proved(judge: Any, written: Any, _standards: Any, terms: Any) -> Any:
        asked.append((judge.runtime, written.path, written.format, terms.precision, terms.allow_few))
        return PASSED, ()

    monkeypatch.setattr(judging, "proved", proved)
    path = folder(tmp_path)
    standard: Any = Standard(reference=m0, held_out=None, stages=[])  # type: ignore[arg-type]  # as above
    entry = artefact(path.name, sha256=sha256(path), precision=Precision.FP16)
    found = judge_again(tmp_path, entry, [standard], ("xnnpack", "vela"), allow_few=True)
    assert [one.on for one in found.validations] == ["xnnpack", "vela"]
    assert [one[1:] for one in asked] == [(path, "tflite", Precision.FP16, True)] * 2
    assert asked[0][0] != asked[1][0]


def test_golden_vectors_that_are_gone_fail(m0: Reference, tmp_path: Path) -> None:
    assert check_golden(tmp_path, MANIFEST, [], m0) is None
    manifest = replace(MANIFEST, golden=GoldenEntry(path="golden/golden.json", sha256="0" * 64))
    found = check_golden(tmp_path, manifest, [], m0)
    assert found is not None
    assert found.verdict is Verdict.FAILED
    assert "golden.json" in found.reason


def test_a_judge_that_there_is_not_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "manifest_reference", lambda *_: pytest.fail("weights were loaded"))
    with pytest.raises(UsageError, match=r"--on coreml for tflite; allowed: xnnpack"):
        validate(folder(tmp_path), on=["coreml"])
