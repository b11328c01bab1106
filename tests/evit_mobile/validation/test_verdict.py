"""A verdict fails for every way of being wrong, and says which."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from converters.contract import Precision
from converters.errors import ArtefactError
from evit_mobile.findings import Likeness, Recovery, Verdict, not_run
from evit_mobile.metrics import SILENT_DB, compare, top1_agreement, top_k_accuracy
from evit_mobile.spec import Task, Variation
from evit_mobile.thresholds import THRESHOLDS
from evit_mobile.validation.probabilities import softmax
from evit_mobile.validation.verdict import Terms, judge

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(300, 10)).astype(np.float32)


def noisy(db: float) -> np.ndarray:
    noise = RNG.normal(size=LOGITS.shape).astype(np.float32)
    return LOGITS + noise * np.float32(np.linalg.norm(LOGITS) / np.linalg.norm(noise) * 10 ** (-db / 20))


@pytest.mark.parametrize("precision", list(Precision))
def test_good_logits_pass(precision: Precision) -> None:
    good = noisy(THRESHOLDS[precision].min_sqnr_db + 15)
    result = judge([("reference", LOGITS), ("artefact", good)], None, "test", Terms(precision=precision))
    assert result.verdict is Verdict.PASSED
    assert result.images == 300
    assert result.top1_reference is None


@pytest.mark.parametrize("precision", list(Precision))
def test_noise_fails_with_the_figure(precision: Precision) -> None:
    bad = noisy(THRESHOLDS[precision].min_sqnr_db - 3)
    result = judge([("reference", LOGITS), ("artefact", bad)], None, "test", Terms(precision=precision))
    assert result.verdict is Verdict.FAILED
    assert "SQNR" in result.reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_fails(value: float) -> None:
    bad = LOGITS.copy()
    bad[7, 3] = value
    result = judge([("reference", LOGITS), ("artefact", bad)], None, "test", Terms(precision=Precision.INT8))
    assert result.verdict is Verdict.FAILED
    assert result.top1_agreement is not None
    assert result.top1_agreement < 1


def test_outputs_of_another_shape_are_refused() -> None:
    with pytest.raises(ArtefactError, match=r"outputs of shape \(5,\)"):
        judge([("reference", LOGITS), ("tflite", LOGITS[:, :5])], None, "r", Terms(precision=Precision.INT8))


def test_disagreement_alone_fails() -> None:
    bad = LOGITS * np.float32(1)
    bad[:20] = -bad[:20]
    assert (
        judge([("reference", LOGITS), ("artefact", bad)], None, "test", Terms(precision=Precision.INT8)).verdict
        is Verdict.FAILED
    )


def test_lost_accuracy_alone_fails() -> None:
    near_tie = np.zeros((300, 10), np.float32)
    near_tie[:, 0], near_tie[:, 1] = 10.0, 9.999
    flipped = near_tie.copy()
    flipped[:6, 1] = 10.001  # 2 points of top-1, far below every other threshold
    labels = np.zeros(300, np.int64)
    result = judge([("reference", near_tie), ("artefact", flipped)], labels, "test", Terms(precision=Precision.INT8))
    assert result.verdict is Verdict.FAILED
    assert result.reason.startswith("top-1")
    assert (result.top1_reference, result.top1_artefact) == (100.0, 98.0)


def test_an_artefact_that_is_not_its_program_fails() -> None:
    """Both within int8's distance of the reference, but on opposite sides: the converter is wrong."""
    noise = noisy(18) - LOGITS
    stages = [("reference", LOGITS), ("quantized", LOGITS + noise), ("artefact", LOGITS - noise)]
    result = judge(stages, None, "test", Terms(precision=Precision.INT8))
    assert result.verdict is Verdict.FAILED
    assert "quantized program" in result.reason


def test_noise_that_the_precision_may_have_passes_where_only_the_reference_is_left() -> None:
    """Later there is no quantized program to hold the file against; what passed then passes still."""
    clear = LOGITS + 5 * (LOGITS.max(1, keepdims=True) == LOGITS)
    stages = [("reference", clear), ("x", clear + noisy(0) * np.float32(0.02))]
    assert 25 < compare(stages[1][1], clear).sqnr_db < THRESHOLDS[Precision.INT8_WEIGHTS].min_faithful_db
    assert judge(stages, None, "test", Terms(precision=Precision.INT8_WEIGHTS)).verdict is Verdict.PASSED
    program = [stages[0], ("quantized", clear), stages[1]]
    assert judge(program, None, "test", Terms(precision=Precision.INT8_WEIGHTS)).verdict is Verdict.FAILED


def test_hops_say_where_the_error_comes_from() -> None:
    stages = [("reference", LOGITS), ("rewritten", noisy(90)), ("quantized", noisy(30)), ("artefact", noisy(30))]
    result = judge(stages, None, "test", Terms(precision=Precision.INT8))
    assert [(hop.start, hop.end) for hop in result.hops] == [
        ("reference", "rewritten"),
        ("rewritten", "quantized"),
        ("quantized", "artefact"),
    ]
    assert result.hops[0].step.sqnr_db > 80 > 40 > result.hops[1].step.sqnr_db


def test_what_was_not_run_is_not_passed() -> None:
    assert not_run("test", "no runtime").verdict is Verdict.NOT_RUN


def recovery(agreement: float, top1: float | None) -> Recovery:
    return Recovery(
        variation=Variation.RELU_ATTENTION,
        weights="bundled",
        source="",
        sha256=None,
        labels=(),
        original_top1=None if top1 is None else 90.0,
        before=Likeness(agreement=0.5, top1=top1),
        after=Likeness(agreement=agreement, top1=top1),
        held_out=256,
        images=(),
        images_source="",
        seed=0,
        steps=(1, 1),
    )


@pytest.mark.parametrize(
    ("agreement", "top1", "fault"),
    [
        (0.94, 90.0, "agreement 0.9400"),
        (math.nan, 90.0, "agreement nan"),
        (0.99, 88.9, "top-1 88.90"),
        (0.94, None, "agreement 0.9400"),
    ],
)
def test_a_bad_recovery_fails_however_good_the_conversion(agreement: float, top1: float | None, fault: str) -> None:
    terms = Terms(precision=Precision.FP32, recovery=recovery(agreement, top1))
    result = judge([("reference", LOGITS), ("x", LOGITS)], None, "here", terms)
    assert result.verdict is Verdict.FAILED
    assert f"relu-attention against the original: {fault}" in result.reason


@pytest.mark.parametrize(("agreement", "top1"), [(0.95, 89.0), (0.95, None)])
def test_a_good_recovery_passes_and_says_that_it_is_another_function(agreement: float, top1: float | None) -> None:
    terms = Terms(precision=Precision.FP32, recovery=recovery(agreement, top1))
    result = judge([("reference", LOGITS), ("x", LOGITS)], None, "here", terms)
    assert result.verdict is Verdict.PASSED
    assert "not the original's function" in result.reason


FEW = [("reference", LOGITS[:31]), ("artefact", LOGITS[:31])]
INT8 = Terms(precision=Precision.INT8)


def test_few_images_are_no_proof() -> None:
    result = judge(FEW, None, "test", INT8)
    assert (result.verdict, result.images, result.top1_agreement) == (Verdict.NOT_RUN, 31, 1.0)
    assert result.reason.startswith("too few to judge: 31 held-out images, at least 32 required")
    enough = [(name, LOGITS[:32]) for name, _ in FEW]
    assert judge(enough, None, "test", INT8).verdict is Verdict.PASSED
    assert judge(FEW, None, "test", replace(INT8, allow_few=True)).verdict is Verdict.PASSED


@pytest.mark.parametrize("task", [Task.SEGMENTATION, Task.FEATURES])
def test_a_map_needs_fewer_images(task: Task) -> None:
    maps = RNG.normal(size=(8, 5, 4, 4)).astype(np.float32)
    verdicts = [
        judge([("reference", maps[:count]), ("artefact", maps[:count])], None, "test", replace(INT8, task=task)).verdict
        for count in (7, 8)
    ]
    assert verdicts == [Verdict.NOT_RUN, Verdict.PASSED]


def test_a_fault_that_few_images_show_is_one() -> None:
    assert judge([FEW[0], ("artefact", -LOGITS[:31])], None, "test", INT8).verdict is Verdict.FAILED
    broken = np.full_like(LOGITS[:31], np.nan)
    assert judge([FEW[0], ("artefact", broken)], None, "test", INT8).verdict is Verdict.FAILED


def test_an_image_of_few_that_disagrees_decides_nothing() -> None:
    near_tie = np.tile(np.array([[1, 1.01]], np.float32), (10, 1))
    flipped = near_tie.copy()
    flipped[0] = near_tie[0, ::-1]
    stages = [("reference", near_tie), ("artefact", flipped)]
    assert judge(stages, None, "test", INT8).verdict is Verdict.NOT_RUN
    assert judge(stages, None, "test", replace(INT8, allow_few=True)).verdict is Verdict.FAILED


# ---- one logit, several labels, ties ----

ONE = RNG.normal(size=(300, 1)).astype(np.float32)


def test_one_logit_decides_by_its_sign() -> None:
    flipped = ONE.copy()
    flipped[:30] = -ONE[:30]
    assert top1_agreement(flipped, ONE) == pytest.approx(0.9)
    result = judge([("reference", ONE), ("artefact", flipped)], None, "test", INT8)
    assert result.verdict is Verdict.FAILED
    assert "agreement 0.9000" in result.reason
    labels = (ONE[:, 0] > 0).astype(np.int64)
    assert (top_k_accuracy(ONE, labels, 1), top_k_accuracy(flipped, labels, 1)) == (100, pytest.approx(90))
    assert top_k_accuracy(flipped, labels, 5) == 100


def test_of_several_labels_each_is_judged() -> None:
    """A class that is wrong on a tenth of the images fails, however many others are right and however few are largest."""
    terms = replace(INT8, task=Task.MULTILABEL)
    flipped = LOGITS.copy()
    flipped[:30, 7] = -LOGITS[:30, 7]
    result = judge([("reference", LOGITS), ("artefact", flipped)], None, "test", terms)
    assert result.top1_agreement == pytest.approx(0.9)
    assert result.verdict is Verdict.FAILED
    assert "of class 7, which agrees least" in result.reason
    assert result.top_ties is None
    swapped = LOGITS + np.float32(0.05) * RNG.normal(size=LOGITS.shape).astype(np.float32) * (LOGITS > 1)
    assert judge([("reference", LOGITS), ("artefact", swapped)], None, "test", terms).verdict is Verdict.PASSED


def test_ties_at_the_top_are_counted_and_named() -> None:
    coarse = np.clip(LOGITS, None, 0)  # where several logits are positive, they all become 0
    result = judge([("reference", LOGITS), ("artefact", coarse)], None, "test", INT8)
    assert result.top_ties == pytest.approx(((LOGITS > 0).sum(1) > 1).mean())
    assert "the largest logit is that of several of 10 classes" in result.reason
    assert judge([("reference", LOGITS), ("artefact", LOGITS)], None, "test", INT8).top_ties == 0


PROBABILITIES = Terms(precision=Precision.FP32, probabilities=True)


def test_probabilities_are_held_against_the_softmax_of_logits() -> None:
    stages = [("reference", LOGITS), ("rewritten", noisy(100)), ("tflite", softmax(LOGITS))]
    result = judge(stages, LOGITS.argmax(1), "a runtime", PROBABILITIES)
    assert (result.verdict, result.probabilities) == (Verdict.PASSED, True)
    assert (result.sqnr_db, result.top1_artefact) == (SILENT_DB, 100)
    assert result.hops[0].total.max_abs_error < 1e-4


@pytest.mark.parametrize(
    "wrong", [LOGITS, softmax(1.01 * LOGITS), softmax(LOGITS.T).T, np.full_like(LOGITS, 0.1), softmax(LOGITS)[:, ::-1]]
)
def test_what_is_no_such_softmax_fails(wrong: np.ndarray) -> None:
    stages = [("reference", LOGITS), ("tflite", wrong)]
    assert judge(stages, None, "a runtime", PROBABILITIES).verdict is Verdict.FAILED
