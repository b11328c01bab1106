"""The only place that says how good an artefact must be to pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

from converters.contract import FloatType, Precision
from evit_mobile.spec import Task

MIN_IMAGES = {Task.CLASSIFICATION: 256, Task.MULTILABEL: 256, Task.SEGMENTATION: 16, Task.FEATURES: 64}
"""A verdict rests on this many held-out images, or on all there are when a user's folder has fewer. Segmentation compares every
pixel of them and features every value, thousands an image.
"""


FEWEST_IMAGES = {Task.CLASSIFICATION: 32, Task.MULTILABEL: 32, Task.SEGMENTATION: 8, Task.FEATURES: 8}
"""With fewer held-out images nothing passes. Of 32 images 31 must agree for int8: an artefact that loses 15 % does so once in 27
times, with 8 images every fourth time. A map holds thousands of values or pixels, which make up for images; that its images differ is
still needed, since one image shows one range of activations.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """`min_sqnr_db` and `min_top1_agreement` (a fraction) hold for the artefact against the fp32 reference;
    `min_faithful_db` holds for the artefact against the program it was lowered from, which separates a wrong converter from
    coarse quantization, except for palettes, which are found while lowering; `max_top1_drop` is in points and applies where
    labels are known. Agreement is that of images or, for segmentation, of pixels, with several labels that of every class; features
    have none.
    """

    min_sqnr_db: float
    min_top1_agreement: float
    min_faithful_db: float
    max_top1_drop: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryThresholds:
    """What a recovered variation owes the original, both in fp32 on held-out images: the agreement (a fraction), and with labels
    the largest drop of top-1 in points.
    """

    min_agreement: float
    max_top1_drop: float


THRESHOLDS = {
    Precision.FP32: Thresholds(min_sqnr_db=80.0, min_top1_agreement=0.999, min_faithful_db=80.0, max_top1_drop=0.1),
    Precision.FP16: Thresholds(min_sqnr_db=40.0, min_top1_agreement=0.99, min_faithful_db=40.0, max_top1_drop=0.5),
    Precision.INT8: Thresholds(min_sqnr_db=15.0, min_top1_agreement=0.95, min_faithful_db=20.0, max_top1_drop=1.0),
    Precision.INT8_WEIGHTS: Thresholds(
        min_sqnr_db=25.0, min_top1_agreement=0.98, min_faithful_db=40.0, max_top1_drop=0.5
    ),
    Precision.INT8_FULL: Thresholds(min_sqnr_db=15.0, min_top1_agreement=0.95, min_faithful_db=20.0, max_top1_drop=1.0),
    Precision.A16W8: Thresholds(min_sqnr_db=20.0, min_top1_agreement=0.97, min_faithful_db=25.0, max_top1_drop=0.5),
    **dict.fromkeys(
        (Precision.FP16_PALETTE6, Precision.INT8_PALETTE6, Precision.FP16_PALETTE4, Precision.INT8_PALETTE4),
        Thresholds(min_sqnr_db=15.0, min_top1_agreement=0.95, min_faithful_db=15.0, max_top1_drop=1.0),
    ),
}

HALF_SUMS_DB = 30.0
"""What is owed, at most, by fp16 floats to a runtime that adds up their products in fp16. Adding up like this costs what no converter can
give back: our evaluator has efficientvit_b0 at 33 dB with such sums and at 61 dB with float32's (docs/coreai.md).
"""

RECOVERY = RecoveryThresholds(
    min_agreement=THRESHOLDS[Precision.INT8].min_top1_agreement, max_top1_drop=THRESHOLDS[Precision.INT8].max_top1_drop
)
"""A change of function may cost as much as int8 may. What misses this fails, however well the artefact computes it."""


def limits_for(
    precision: Precision, max_drop: float | None = None, floats: FloatType | None = None, *, half_sums: bool = False
) -> Thresholds:
    """The precision's thresholds; with `max_drop`, in points, that drop of top-1 instead of the general one. A judge whose own `floats`
    are fp16 owes an fp32 file what an fp16 file owes; one with `half_sums` owes files of fp16 floats `HALF_SUMS_DB` at most.
    """
    halved = floats is FloatType.FP16 and precision is Precision.FP32
    usual = THRESHOLDS[Precision.FP16 if halved else precision]
    if half_sums and precision is not Precision.FP32:
        least, faithful = (min(limit, HALF_SUMS_DB) for limit in (usual.min_sqnr_db, usual.min_faithful_db))
        usual = replace(usual, min_sqnr_db=least, min_faithful_db=faithful)
    if max_drop is None:
        return usual
    return replace(usual, max_top1_drop=max_drop)
