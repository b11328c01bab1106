"""A slow judge runs fewer images, and owes what its own floats can hold."""

from __future__ import annotations

import numpy as np

from converters.contract import FloatType, Precision
from converters.registry import find_judge
from evit_mobile.images.data import everything, preprocess_for
from evit_mobile.spec import find_spec
from evit_mobile.thresholds import THRESHOLDS, limits_for
from evit_mobile.validation.sample import sample
from evit_mobile.validation.verdict import Terms

TERMS = Terms(precision=Precision.FP32)


def test_an_accelerator_runs_its_first_images_only() -> None:
    images = everything(None, preprocess_for(find_spec("efficientvit_m0", size=(32, 32)), bundled=True), 40)
    stages = [("reference", np.arange(400.0).reshape(40, 10))]
    assert sample(find_judge("xnnpack", "tflite"), images, stages, TERMS) == (images, stages, TERMS)
    fewer, before, terms = sample(find_judge("gpu", "tflite"), images, stages, TERMS)
    assert (len(fewer), terms.floats) == (32, FloatType.FP16)
    more, longer, _ = sample(find_judge("gpu", "tflite"), images, stages, TERMS, 2)
    assert (len(more), len(longer[0][1])) == (40, 40)
    np.testing.assert_array_equal(before[0][1], stages[0][1][:32])
    np.testing.assert_array_equal(fewer.first(40), images.first(32))
    assert fewer.labels(10) is not None
    np.testing.assert_array_equal(fewer.labels(10), images.labels(10)[:32])  # type: ignore[index]  # it has labels


def test_sums_in_fp16_are_owed_less_by_floats_of_fp16() -> None:
    judge = find_judge("coreai", "coreai")
    images = everything(None, preprocess_for(find_spec("efficientvit_m0", size=(32, 32)), bundled=True), 4)
    assert sample(judge, images, [], TERMS)[2].half_sums == judge.half_sums
    assert limits_for(Precision.FP32, half_sums=True) == THRESHOLDS[Precision.FP32]
    assert limits_for(Precision.INT8, half_sums=True) == THRESHOLDS[Precision.INT8]
    half, weights = (limits_for(one, half_sums=True) for one in (Precision.FP16, Precision.INT8_WEIGHTS))
    assert (half.min_sqnr_db, half.min_faithful_db, weights.min_sqnr_db, weights.min_faithful_db) == (30, 30, 25, 30)
    assert half.min_top1_agreement == THRESHOLDS[Precision.FP16].min_top1_agreement
