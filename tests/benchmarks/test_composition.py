from __future__ import annotations

import numpy as np
import pytest

from benchmarks.composition import find_lead, judge, peaks, result, timing
from benchmarks.measurement import Clock, Measured
from benchmarks.statistics import Spread
from tests.benchmarks.benchmark_results import BROKEN, CANDIDATES, LEAD, LOGITS, MACS, ONNX, STOCK, TRUTH, measured


def test_drift_of_the_machine_cancels_in_the_ratios() -> None:
    figures = timing(LEAD, CANDIDATES, measured(), 1, MACS)
    assert figures.ms == Spread(median=1.5, lower=1.25, upper=1.75)
    assert figures.of_stock == Spread(median=0.5, lower=0.5, upper=0.5)
    assert figures.of_lead == Spread(median=1.0, lower=1.0, upper=1.0)


def test_one_thread_is_timed_by_the_processor_and_several_by_the_wall() -> None:
    single = timing(LEAD, CANDIDATES, measured(), 1, MACS)
    several = timing(LEAD, CANDIDATES, measured(), 2, MACS)
    assert (single.clock, several.clock) == (Clock.PROCESSOR, Clock.WALL)
    assert several.ms.median == pytest.approx(3 * single.ms.median)
    assert single.wall_ms == several.ms


def test_share_of_the_peak_is_of_the_same_rounds() -> None:
    share = timing(LEAD, CANDIDATES, measured(), 1, MACS).peak_share
    assert share is not None
    assert share.median == pytest.approx(10 * 0.05 / 1.0)  # ten times the peak's work in twenty times its time
    assert share.lower == pytest.approx(share.upper)


def test_a_baseline_that_did_not_run_gives_no_ratio() -> None:
    figures = measured() | {STOCK.name: Measured(error="gone")}
    assert timing(LEAD, CANDIDATES, figures, 1, MACS).of_stock is None
    assert timing(ONNX, CANDIDATES, figures, 1, MACS).of_stock is None  # no stock fp32 file of its runtime
    assert timing(LEAD, CANDIDATES, figures, 1, MACS).of_lead is not None


def test_failures_are_kept_with_their_reason() -> None:
    unconverted = result(BROKEN, CANDIDATES, {1: measured()}, TRUTH, MACS)
    crashed = result(ONNX, CANDIDATES, {1: measured() | {ONNX.name: Measured(error="exit code -11")}}, TRUTH, MACS)
    assert (unconverted.error, unconverted.timings) == ("RuntimeError: error 0x1", ())
    assert (crashed.error, crashed.timings, crashed.accuracy) == ("exit code -11", (), None)


def test_a_fast_wrong_answer_shows() -> None:
    wrong = judge(LOGITS[::-1].copy(), TRUTH)
    right = judge(LOGITS, TRUTH)
    assert (right.top1_agreement, right.top1) == (1.0, 50.0)
    assert wrong.top1_agreement == 0.0
    assert wrong.sqnr_db < 0 < right.sqnr_db


def test_logits_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match="shapes"):
        judge(np.zeros((2, 3), np.float32), TRUTH)


def test_the_peak_is_in_macs_per_second() -> None:
    (found,) = peaks(CANDIDATES, {1: measured()})
    assert found.gmacs_per_s.median == pytest.approx(MACS / 10 / 0.05e-3 / 1.5 / 1e9)


def test_the_lead_is_ours_in_int8() -> None:
    assert find_lead(CANDIDATES) is LEAD
