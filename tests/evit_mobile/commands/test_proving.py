"""What a judge's failures become: a verdict with a reason, and the file stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.errors import DataError
from converters.contract import Precision, Runner
from converters.errors import ArtefactError, NoRuntimeError, ToolchainError
from evit_mobile.commands.proving import Standard, Written, prove, proved
from evit_mobile.findings import Verdict
from evit_mobile.validation.verdict import Terms

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
