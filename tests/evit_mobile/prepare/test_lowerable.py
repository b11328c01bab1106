"""What is lowered, and for whom: islands are names of nodes, floats those of the targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from converters.contract import FloatType, Precision
from converters.registry import find_target
from converters.tflite.target import TFLiteTarget
from evit_mobile.findings import ActivationAudit, Peak
from evit_mobile.prepare.lowerable import Lowerable, Preparation, lowered_by

NOWHERE = Peak(module="", operation="relu", peak=1.0)
FP32, FP16 = FloatType.FP32, FloatType.FP16


def lowerable(*islands: str) -> Lowerable:
    nothing: Any = None
    found = ActivationAudit(
        images=1,
        limit=65504.0,
        margin=2.0,
        largest=NOWHERE,
        overflowing=(NOWHERE,),
        islands=tuple(Peak(module="stem", operation=name, peak=1e6) for name in islands),
    )
    return Lowerable(
        program=nothing, plain=nothing, plan=None, protection=None, stages=(), audit=found if islands else None
    )


def test_islands_are_the_operations_that_fp16_cannot_hold() -> None:
    assert lowerable("conv2d", "conv2d_1", "conv2d").islands == {"conv2d", "conv2d_1"}
    assert lowerable().islands == frozenset()


@pytest.mark.parametrize(
    ("precision", "targets", "floats"),
    [
        (Precision.FP32, ["executorch"], (FP32,)),
        (Precision.FP32, ["tflite"], (FP16,)),  # GPUs run it in fp16
        (Precision.INT8, ["tflite"], (FP32,)),  # what reads codes cannot leave their ranges
        (Precision.INT8, ["tflite", "coreml", "executorch"], (FP32, FP16)),
        (Precision.FP16, ["coreml", "tflite"], (FP16,)),
    ],
)
def test_floats_are_those_of_all_targets_each_once_and_in_their_order(
    precision: Precision, targets: list[str], floats: tuple[FloatType, ...]
) -> None:
    assert prepared_for(precision, *map(find_target, targets)).floats == floats


def test_a_file_for_cpus_only_is_in_its_own_floats() -> None:
    assert prepared_for(Precision.FP32, TFLiteTarget(cpu_only=True)).floats == (FP32,)


def test_an_int8_file_for_gpus_is_of_the_form_for_fp16_where_the_model_overflows() -> None:
    """What the reference as it stands overflows decides nothing: both have an audit that says so."""
    plain, quiet = lowerable(), lowerable("conv2d")
    loud = replace(quiet, overflowing=True)
    overflowing, other = {FP32: plain, FP16: loud}, {FP32: plain, FP16: quiet}
    for name, of_overflowing, of_other in (
        ("tflite", loud, plain),
        ("executorch", plain, plain),
        ("coreml", loud, quiet),
    ):
        assert lowered_by(find_target(name), Precision.INT8, overflowing) is of_overflowing
        assert lowered_by(find_target(name), Precision.INT8, other) is of_other


def prepared_for(precision: Precision, *targets: Any) -> Preparation:
    nothing: Any = None
    return Preparation(reference=nothing, calibration=nothing, held_out=nothing, precision=precision, targets=targets)
