"""What stands under the tables in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.statement import Decision, Statement, decide
from converters.contract import Delegation, Fallback
from converters.traits import StepDifference
from evit_mobile.commands.per_operation import OperationCheck
from evit_mobile.figures import Estimate
from evit_mobile.findings import Likeness, Protection, SizeValidation, Speed, Verdict
from evit_mobile.record.manifest import InputEntry, Manifest, OriginalEntry, RecoveryEntry
from evit_mobile.report.lines import (
    accuracy_cells,
    image_lines,
    input_lines,
    is_slower,
    label_lines,
    note_lines,
    npu_lines,
    operations_line,
    protection_lines,
    recovery_lines,
    speed_lines,
    validation_lines,
)
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
    (partly,) = validation_lines("a.aimodel", artefact("a.aimodel"), unproven="its images")
    assert partly.plain == "a.aimodel: 256 held-out images, a runtime; unproven: its images"
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


def test_notes_on_weights_are_told_quietly() -> None:
    (line,) = note_lines(["12 keys were renamed"])
    assert (line.plain, line.style) == ("weights: 12 keys were renamed", "dim")


def timed(low: float, high: float) -> Speed:
    return Speed(ms=3.0, fp32_ms=2.5, ratio=Estimate(value=1.2, low=low, high=high))


@pytest.mark.parametrize(("low", "high", "slower"), [(1.01, 1.4, True), (0.99, 1.4, False), (1.0, 1.4, False)])
def test_a_file_is_slower_where_there_is_no_doubt(low: float, high: float, slower: bool) -> None:
    entry = artefact("a.tflite", speed=timed(low, high))
    assert is_slower(entry) == slower
    (line,) = speed_lines([artefact("b.tflite"), entry])
    assert line.plain == "a.tflite: 1.20 of the time that fp32 takes on this machine (3.00 and 2.50 ms)"
    assert line.style == ("bold yellow" if slower else "dim")


def test_modules_that_stay_float_are_told_once() -> None:
    kept = Protection(modules=("stem", "head"), latency_ratio=1.254)
    entries = [artefact("a", protection=kept), artefact("b", protection=kept), artefact("c", protection=Protection())]
    (line,) = protection_lines([*entries, artefact("d")])
    assert line.plain == "left float: stem, head; modelled latency x 1.25"


def test_what_npus_leave_is_told_with_the_first_five_modules() -> None:
    left = Fallback(op="DIV", count=7, reason="float only", modules=tuple("abcdefg"))
    unknown = Fallback(op="EXP", count=1, reason="no kernel")
    npu = Delegation(delegate="Vela", partitions=1, delegated_ops=92, total_ops=100, fallback=(left, unknown))
    (line,) = npu_lines([artefact("a.tflite", npu=(npu,)), artefact("b.tflite")])
    assert line.plain == (
        "a.tflite: 92 of 100 operations on Vela; not 7 x DIV (float only) in a, b, c, d, e; not 1 x EXP (no kernel)"
    )


def test_figures_that_are_not_known_are_dashes() -> None:
    assert accuracy_cells(PASSED) == ("-", "-", "-")
    known = replace(PASSED, sqnr_db=25.06, top1_agreement=0.99609, top1_artefact=92.5)
    assert accuracy_cells(known) == ("25.1", "0.9961", "92.50 (-)")
    assert accuracy_cells(replace(known, top1_reference=93.0))[2] == "92.50 (93.00)"


def test_every_size_of_a_package_has_a_line() -> None:
    failed = replace(PASSED, verdict=Verdict.FAILED, reason="SQNR", sqnr_db=1.0)
    sizes = tuple(
        SizeValidation(size=(side, side), function=f"main_{side}", validation=one)
        for side, one in ((224, PASSED), (256, failed))
    )
    told = validation_lines("a.mlpackage", artefact("a.mlpackage", validations=(failed,), sizes=sizes))
    assert [line.plain for line in told] == [
        "a.mlpackage: 256 held-out images, a runtime; SQNR",
        "  main_224: - dB, agreement -, top-1 -, passed",
        "  main_256: 1.0 dB, agreement -, top-1 -, failed",
    ]
    assert [line.style for line in told] == ["", "dim", ""]


def test_a_verdict_by_probabilities_says_so() -> None:
    entry = artefact("a.tflite", validations=(replace(PASSED, probabilities=True),))
    (line,) = validation_lines("a.tflite", entry)
    assert line.plain.endswith("a runtime, by probabilities")


def test_the_first_operation_that_is_off_is_told() -> None:
    off = StepDifference(operation="SOFTMAX", module="", tensor="t7", quanta=9, differing=0.125)
    quiet = OperationCheck(path="a", on="qualcomm:SM8650", operations=5, off=())
    assert operations_line(quiet).plain == (
        "  on qualcomm:SM8650, 5 operations one by one: none is more than one quantum off the CPU"
    )
    loud = replace(quiet, off=(off, replace(off, operation="MUL", module="head")))
    assert operations_line(loud).plain == (
        "  on qualcomm:SM8650, 5 operations one by one: 2 are more than one quantum off the CPU,"
        " the first SOFTMAX of the model itself (t7): 9 quanta, 12.5 % of its values differ"
    )
