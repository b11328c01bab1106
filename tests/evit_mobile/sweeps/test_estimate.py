"""How long and how large: a rule by the model, then what finished cells took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from converters.contract import Precision
from evit_mobile.request import ConvertRequest
from evit_mobile.sweeps.estimate import BYTES_PER_WEIGHT, HEADROOM, Estimator, Weight, ruled, weight_of
from evit_mobile.sweeps.plan import SweepPlan
from tests.evit_mobile.sweeps.test_best import record

M0 = ConvertRequest.of("efficientvit_m0", formats=["tflite"])


def test_estimates_follow_the_model_and_what_was_seen(tmp_path: Path) -> None:
    def request(**model: object) -> object:
        return SweepPlan.of({"models": [model], "formats": ["tflite"]}).requests()[0][0]

    small, large = request(model="efficientvit_m0"), request(model="efficientvit_l3", weights="random")
    rule = Estimator()
    assert 0.8e9 < rule.estimate(small).memory_bytes < 1.3e9
    assert 9e9 < rule.estimate(large).memory_bytes < 12e9
    assert rule.estimate(large).seconds > rule.estimate(small).seconds
    seen = replace(record("a"), params=2_300_000, macs=79_000_000, seconds=40.0, peak_bytes=2 * 10**9)
    fitted = Estimator([seen])
    assert fitted.estimate(small).seconds == pytest.approx(40, rel=0.1)
    assert 2e9 < fitted.estimate(small).memory_bytes < 3e9
    file = tmp_path / "own.pth"
    file.write_bytes(b"0" * BYTES_PER_WEIGHT * 1000)
    assert rule.estimate(request(weights=str(file))).memory_bytes == pytest.approx(0.9e9, rel=0.01)


def test_the_rule_by_hand() -> None:
    model = Weight(params=10_000_000, macs=2 * 10**9)
    assert ruled(model, Precision.INT8).seconds == 15 + 30 * 2
    assert ruled(model, Precision.FP32).seconds == pytest.approx(0.6 * 75)
    assert ruled(model, Precision.INT8).memory_bytes == ruled(model, Precision.FP32).memory_bytes == 1_300_000_000


def test_time_is_the_median_and_memory_the_most_of_cells_alike() -> None:
    rule = Estimator().estimate(M0)
    weight = weight_of(M0)
    of_m0 = replace(record("a"), params=weight.params, macs=weight.macs)
    seen = [
        replace(of_m0, seconds=factor * rule.seconds, peak_bytes=int(factor * rule.memory_bytes))
        for factor in (1, 2, 6)
    ]
    found = Estimator(seen).estimate(M0)
    assert found.seconds == pytest.approx(2 * rule.seconds)
    assert found.memory_bytes == pytest.approx(6 * HEADROOM * rule.memory_bytes, rel=1e-6)


def test_cells_of_the_same_format_and_precision_count_before_all_others() -> None:
    weight = weight_of(M0)
    slow = replace(record("a"), params=weight.params, macs=weight.macs, seconds=1000.0)
    quick = replace(slow, format="coreml", seconds=10.0)
    both = Estimator([slow, quick, quick])
    assert both.estimate(M0).seconds == pytest.approx(1000)
    assert both.estimate(replace(M0, formats=("coreml",))).seconds == pytest.approx(10)
    assert both.estimate(replace(M0, formats=("executorch",))).seconds == pytest.approx(10)  # the median of all three


@pytest.mark.parametrize("weights", ["hub", "random", "bundled", None])
def test_weights_that_are_no_file_are_the_variants(weights: str | None) -> None:
    of_b0 = weight_of(ConvertRequest.of("efficientvit_b0", weights=weights))
    assert 3.4e6 < of_b0.params < 5e6
    assert of_b0 != weight_of(ConvertRequest.of(weights=weights))


def test_a_larger_image_takes_more_and_a_file_that_is_gone_nothing(tmp_path: Path) -> None:
    small, large = (weight_of(replace(M0, size=(side, side))) for side in (64, 256))
    assert small.params == pytest.approx(large.params, rel=0.01)  # but for the windows' bias tables
    assert 10 < large.macs / small.macs < 22
    assert weight_of(ConvertRequest.of(weights=str(tmp_path / "gone.pth"))) == Weight(params=0, macs=0)
