"""--max-drop and the floor end to end: on LiteRT files of small random models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evit_mobile.commands.convert import convert
from evit_mobile.record.plans import read_plan
from evit_mobile.validation import max_drop
from evit_mobile.validation.max_drop import lost_points
from tests.evit_mobile.test_cli import run


def test_lost_points() -> None:
    expected = np.eye(10, dtype=np.float32)
    actual = expected.copy()
    actual[:2] = actual[:2, ::-1]
    assert lost_points(actual, expected, None) == pytest.approx(20)
    labels = np.arange(10)
    labels[0] = 9  # where the reference is wrong and the artefact is right
    assert lost_points(actual, expected, labels) == pytest.approx(0)


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_a_limit_that_cannot_be_kept_is_exit_code_1_with_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Planted: every trial is said to lose a point more than the limit allows; float cannot help."""
    monkeypatch.setattr(max_drop, "lost_points", lambda *_: 1.1)
    monkeypatch.setattr("evit_mobile.commands.convert.MAX_DROP_IMAGES", 256)
    monkeypatch.setattr("evit_mobile.commands.proving.prove", lowered_by(2.0))
    monkeypatch.setattr("evit_mobile.prepare.forms.MEASURED_IMAGES", 16)  # each trial measures with them
    monkeypatch.setattr("evit_mobile.quantization.automatic.STRIDE_DB", 10.0)  # a fifth of the trials
    options = ("--format", "tflite", "--size", "64", "--max-drop", "0.1", "--out", str(tmp_path), "--json")
    assert run(monkeypatch, "convert", *options) == 1
    captured = capfd.readouterr()
    document = json.loads(captured.out)
    (validation,) = document["artefacts"][0]["validations"]
    assert validation["verdict"] == "failed"
    assert "top-1" in validation["reason"]
    assert "1.10 points of 0.10 allowed" in captured.err
    assert (tmp_path / document["artefacts"][0]["path"]).exists()


def lowered_by(points: float) -> Any:
    """`prove`, with the artefact's top-1 that many points lower."""
    from evit_mobile.commands import proving

    def prove(judge: Any, written: Any, standard: Any, terms: Any) -> Any:
        expected, labels = standard.stages[0][1], proving.known_labels(standard.reference, standard.held_out)
        logits = expected.copy()
        right = np.flatnonzero(expected.argmax(1) == labels)[: round(points / 100 * len(labels)) + 1]
        logits[right] = -logits[right]
        compared = [*standard.stages, (written.format, logits)]
        return proving.verdict_on(compared, labels, judge.runtime, terms)

    return prove


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_a_random_model_that_int8_breaks_is_protected_until_it_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evit_mobile.prepare.forms.MEASURED_IMAGES", 24)  # as above
    conversion = convert("efficientvit_m5", weights="random", formats=["tflite"], size=(96, 96), out=tmp_path)
    (entry,) = conversion.manifest.artefacts
    assert (entry.validation.sqnr_db or 0) >= 15
    assert entry.protection is not None
    assert entry.protection.modules
    assert entry.protection.latency_ratio > 0
    assert entry.plan is not None
    reasons = {decision.reason for decision in read_plan(tmp_path, entry.plan).float}
    assert any("protected" in reason for reason in reasons)


@pytest.mark.slow
def test_sensitivity_as_json_and_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "harm.svg"
    arguments = ("sensitivity", "--model", "efficientvit_b0", "--size", "96", "--plot", str(picture), "--json")
    assert run(monkeypatch, *arguments) == 0
    document = json.loads(capfd.readouterr().out)
    assert len(document["modules"]) > 50
    assert sum(row["share"] for row in document["modules"]) == pytest.approx(1)
    assert document["predicted_sqnr_db"] == pytest.approx(document["measured_sqnr_db"], abs=3)
    assert "<svg" in picture.read_text()
