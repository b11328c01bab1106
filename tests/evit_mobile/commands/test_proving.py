"""What a judge's failures become: a verdict with a reason, and the file stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calib.errors import DataError
from converters.contract import FloatType, Precision, Runner
from converters.errors import ArtefactError, NoRuntimeError, ToolchainError
from evit_mobile.commands import proving
from evit_mobile.commands.proving import Standard, Written, listed_terms, prove, proved, standard_at
from evit_mobile.findings import Verdict
from evit_mobile.images.data import everything
from evit_mobile.prepare.preparation import run_module
from evit_mobile.reference import Reference
from evit_mobile.spec import Task
from evit_mobile.validation.verdict import Terms
from tests.manifests import ARTEFACT, artefact

STANDARD: Any = Standard(reference=None, held_out=None, stages=[])  # type: ignore[arg-type]  # no judge here comes to read them
WRITTEN = Written(path=Path("model.tflite"), format="tflite")
WHAT = {"got": "a driver that crashed", "allowed": "one that runs", "do": "update it"}


class Broken:
    """A judge that is ready and then raises `error`."""

    runtime = "a runtime"

    def __init__(self, error: Exception | None, lack: str | None = None) -> None:
        self.error = error
        self.lack = lack

    def missing(self) -> str | None:
        return self.lack

    def load(self, path: Path) -> Runner:  # noqa: ARG002  # the contract's signature
        assert self.error is not None
        raise self.error


@pytest.mark.parametrize(
    ("judge", "verdict", "reason"),
    [
        (Broken(ToolchainError(**WHAT)), Verdict.FAILED, "crashed"),
        (Broken(ArtefactError(**WHAT)), Verdict.FAILED, "crashed"),
        (Broken(NoRuntimeError(**WHAT)), Verdict.NOT_RUN, "crashed"),
        (Broken(None, "install it"), Verdict.NOT_RUN, "install it"),
    ],
)
def test_what_a_judge_cannot_do_is_a_verdict(judge: Broken, verdict: Verdict, reason: str) -> None:
    found = prove(judge, WRITTEN, STANDARD, Terms(precision=Precision.FP32))
    assert (found.verdict, found.images, found.runtime) == (verdict, 0, "a runtime")
    assert reason in found.reason


def test_faults_of_images_are_errors() -> None:
    with pytest.raises(DataError):
        prove(Broken(DataError(**WHAT)), WRITTEN, STANDARD, Terms(precision=Precision.FP32))


def test_the_worst_of_several_sizes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    spec = SimpleNamespace(spec=SimpleNamespace(size=(64, 64)))
    standards: Any = [SimpleNamespace(reference=spec), SimpleNamespace(reference=spec)]
    judges = iter([Broken(NoRuntimeError(**WHAT)), Broken(ToolchainError(**WHAT))])
    original = prove
    monkeypatch.setattr(
        "evit_mobile.commands.proving.prove",
        lambda _, written, __, terms: original(next(judges), written, STANDARD, terms),
    )
    found, sizes = proved(Broken(None), WRITTEN, standards, Terms(precision=Precision.FP32))
    assert (found.verdict, len(sizes)) == (Verdict.FAILED, 2)


@pytest.fixture(scope="module")
def standard(m0: Reference) -> Standard:
    """The bundled M0 on forty images of its test set."""
    return standard_at(m0, everything(None, m0.preprocessing.preprocess, 40), (64, 64))


def test_a_standard_is_what_the_reference_gives(standard: Standard) -> None:
    ((name, logits),) = standard.stages
    assert (name, logits.shape, standard.reference.spec.size) == ("reference", (40, 10), (64, 64))
    with torch.no_grad():
        first = standard.reference.module(torch.from_numpy(standard.held_out.first(2)))
    assert logits[:2] == pytest.approx(first.numpy(), abs=1e-5)


class Answering(Broken):
    """A judge that gives what the reference does, `changed`."""

    def __init__(self, reference: Reference, changed: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(None)
        self.reference, self.changed = reference, changed

    def load(self, path: Path) -> Runner:  # noqa: ARG002  # as above
        return lambda images: self.changed(run_module(self.reference.module, [images]))


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (lambda logits: logits, Verdict.PASSED),
        (lambda logits: np.roll(logits, 1, 1), Verdict.FAILED),
        (lambda logits: np.full_like(logits, np.nan), Verdict.FAILED),
    ],
    ids=["the same", "of other classes", "not numbers"],
)
def test_a_file_passes_that_gives_what_the_reference_does(
    changed: Callable[[np.ndarray], np.ndarray], verdict: Verdict, m0: Reference, standard: Standard
) -> None:
    found = prove(Answering(m0, changed), WRITTEN, standard, Terms(precision=Precision.FP32, allow_few=True))
    assert (found.verdict, found.images, found.runtime) == (verdict, 40, "a runtime")
    assert (found.top1_agreement == 1) == (verdict is Verdict.PASSED)
    assert [(hop.start, hop.end) for hop in found.hops] == [("reference", "tflite")]


class Slow(Broken):
    """A judge of eight images that gives these logits (40, 10), of which those of images `flipped` have the second class for the first."""

    images, floats = 8, FloatType.FP32

    def __init__(self, logits: np.ndarray, flipped: list[int]) -> None:
        super().__init__(None)
        self.answers, self.ran = logits.copy(), 0
        self.answers[flipped, :2] = self.answers[flipped, 1::-1]

    def load(self, path: Path) -> Runner:  # noqa: ARG002  # as above
        answers = iter(self.answers)

        def run(images: np.ndarray) -> np.ndarray:
            self.ran += len(images)
            return np.stack([next(answers) for _ in images])

        return run


@pytest.mark.parametrize(
    ("flipped", "noise", "verdict", "images", "ran"),
    [
        ([], 0.0, Verdict.PASSED, 8, 8),
        ([3], 0.0, Verdict.PASSED, 32, 40),
        ([3, 20, 25], 0.0, Verdict.FAILED, 32, 40),
        ([3], 0.5, Verdict.FAILED, 8, 8),
    ],
    ids=["as the reference", "one of eight", "one of ten", "far off"],
)
def test_a_slow_judge_runs_more_where_counting_its_few_is_all_that_fails(
    flipped: list[int],
    noise: float,
    verdict: Verdict,
    images: int,
    ran: int,
    standard: Standard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proving, "known_labels", lambda *_: None)
    logits = np.tile(np.array([8, 7.9, *range(8)], np.float32), (40, 1))
    judge = Slow(logits * (1 + noise), flipped)
    found = prove(
        judge,
        WRITTEN,
        replace(standard, stages=[("reference", logits)]),
        Terms(precision=Precision.INT8, allow_few=True),
    )
    assert (found.verdict, found.images, judge.ran) == (verdict, images, ran)


def test_one_size_is_the_whole_and_has_no_row_of_its_own(m0: Reference, standard: Standard) -> None:
    terms = Terms(precision=Precision.FP32, allow_few=True)
    found, sizes = proved(Answering(m0, lambda logits: logits), WRITTEN, [standard], terms)
    assert (found.verdict, sizes) == (Verdict.PASSED, ())


@pytest.mark.parametrize(("output", "probabilities"), [("logits", False), ("probabilities", True)])
def test_terms_are_those_of_the_file_and_of_the_model(output: str, probabilities: bool, m0: Reference) -> None:
    entry = artefact("a", precision=Precision.FP16, outputs=(replace(ARTEFACT.outputs[0], name=output),))
    assert listed_terms(entry, m0, allow_few=True) == Terms(
        precision=Precision.FP16, task=Task.CLASSIFICATION, allow_few=True, probabilities=probabilities
    )
