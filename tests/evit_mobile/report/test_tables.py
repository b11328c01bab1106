"""What the tables say in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.statement import Decision, Statement, decide
from evit_mobile.findings import Likeness, Verdict
from evit_mobile.record.manifest import InputEntry, Manifest, OriginalEntry, RecoveryEntry
from evit_mobile.report.lines import image_lines, input_lines, label_lines, recovery_lines, validation_lines
from evit_mobile.spec import Variation
from tests.manifests import MANIFEST, PASSED, artefact, input_of, of_model


def manifest(top1: float | None) -> Manifest:
    known = top1 is not None
    recovery = RecoveryEntry(
        original=OriginalEntry(weights="bundled", source="bundled", sha256=None, top1=93.0 if known else None),
        before=Likeness(agreement=0.5, top1=51.0 if known else None),
        after=Likeness(agreement=0.97, top1=top1),
        held_out=256,
        images=1024,
        images_source="photos",
        seed=0,
        steps=(1, 2),
    )
    return replace(of_model(variation=Variation.RELU_ATTENTION), recovery=recovery)


def test_an_original_has_no_recovery_to_tell_of() -> None:
    assert recovery_lines(of_model()) == []


@pytest.mark.parametrize("top1", [None, 92.5])
def test_a_change_of_function_is_told_with_its_figures(top1: float | None) -> None:
    (line,) = recovery_lines(manifest(top1))
    assert "relu-attention is not the original's function" in line.plain
    assert "0.5000 before and 0.9700 after" in line.plain
    assert ("51.00 and 92.50 % (original 93.00 %)" in line.plain) == (top1 is not None)


def entry_of(decision: Decision) -> InputEntry:
    return replace(input_of(decision.preprocess), stated_by=dict(decision.stated_by), notes=decision.notes)


def test_preprocessing_is_told_with_its_sources_and_contradictions() -> None:
    given = Statement(source="--mean", values={"mean": (0.5, 0.5, 0.5)})
    stated = Statement(source="config.json", values={"mean": (0.1, 0.2, 0.3), "interpolation": Interpolation.BILINEAR})
    decision = decide(Preprocess(size=(224, 192), crop_pct=0.875), [given, stated])
    told, contradiction = (line.plain for line in input_lines(entry_of(decision)))
    assert told == (
        "images: scaled to cover 256x219 (bilinear), cropped to 224x192, mean 0.5 0.5 0.5, std 0.229 0.224 0.225; "
        "resize, crop, std, color by default; interpolation by config.json; mean by --mean"
    )
    assert contradiction == "images: mean: --mean says 0.5 0.5 0.5, which is used; config.json says 0.1 0.2 0.3"


def test_what_states_everything_is_named_once() -> None:
    decision = decide(Preprocess(size=(64, 64), resize=Resize.SQUASH), [], "the bundled weights")
    (line,) = input_lines(entry_of(decision))
    assert line.plain.startswith("images: squashed to 64x64 (bicubic), mean 0.485 0.456 0.406")
    assert line.plain.endswith("; by the bundled weights")
    (older,) = input_lines(input_of(decision.preprocess))
    assert older.plain.endswith("std 0.229 0.224 0.225")


def test_a_verdict_names_the_oldest_runtime_where_it_is_known() -> None:
    (known,) = validation_lines("a.pte", artefact("a.pte"), "executorch 1.4.0")
    assert known.plain == "a.pte: 256 held-out images, a runtime; from executorch 1.4.0 on"
    (unknown,) = validation_lines("b.pte", artefact("b.pte"))
    assert unknown.plain == "b.pte: 256 held-out images, a runtime"


def test_every_judge_of_several_is_told() -> None:
    unable = replace(PASSED, on="phone", verdict=Verdict.NOT_RUN, reason="no device", runtime="a phone")
    told = [line.plain for line in validation_lines("a.pte", artefact("a.pte", validations=(PASSED, unable)))]
    assert told == [
        "a.pte: 256 held-out images, a runtime; phone: no device",
        "  on judge, a runtime: - dB, agreement -, top-1 -, passed",
        "  on phone, a phone: - dB, agreement -, top-1 -, not_run",
    ]


def labelled(stated_by: str | None, *notes: str, weights: str = "file") -> Manifest:
    calibration = replace(MANIFEST.calibration, notes=notes)
    return replace(of_model(weights=weights), labels_stated_by=stated_by, calibration=calibration)


def test_who_states_the_class_names_is_told_once() -> None:
    (line,) = label_lines(labelled("class_to_idx in the checkpoint"))
    assert line.plain == "class names: class_to_idx in the checkpoint"
    assumed = "class order assumed from folder names: a, b"
    assert label_lines(labelled("assumed from folder names", assumed)) == []
    assert label_lines(labelled("the bundled weights", weights="bundled")) == []
    assert label_lines(of_model()) == []


def test_a_warning_about_the_images_is_none_of_their_notes() -> None:
    lines = image_lines(["3 files were not read", "warning: top-1 is no better than guessing"])
    assert [line.plain for line in lines] == [
        "images: 3 files were not read",
        "warning: top-1 is no better than guessing",
    ]
