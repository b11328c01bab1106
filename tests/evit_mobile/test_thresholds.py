"""What an artefact owes: finer arithmetic owes more, and limits change only where a judge or a user says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converters.contract import FloatType, Precision
from evit_mobile.spec import Task
from evit_mobile.thresholds import FEWEST_IMAGES, HALF_SUMS_DB, MIN_IMAGES, RECOVERY, THRESHOLDS, limits_for


@pytest.mark.parametrize("precision", [one for one in Precision if one in THRESHOLDS])
def test_only_an_fp32_file_owes_less_where_floats_are_fp16(precision: Precision) -> None:
    owed = THRESHOLDS[Precision.FP16] if precision is Precision.FP32 else THRESHOLDS[precision]
    assert limits_for(precision, floats=FloatType.FP16) == owed
    assert limits_for(precision, floats=FloatType.FP32) == limits_for(precision) == THRESHOLDS[precision]


def test_every_precision_and_task_has_limits() -> None:
    assert THRESHOLDS.keys() == set(Precision)
    assert MIN_IMAGES.keys() == FEWEST_IMAGES.keys() == set(Task)
    assert all(FEWEST_IMAGES[task] <= MIN_IMAGES[task] for task in Task)


@pytest.mark.parametrize(
    ("finer", "coarser"),
    [("fp32", "fp16"), ("fp16", "int8-weights"), ("fp16", "a16w8"), ("a16w8", "int8"), ("int8-weights", "int8")],
)
def test_finer_arithmetic_owes_no_less(finer: str, coarser: str) -> None:
    more, less = THRESHOLDS[Precision(finer)], THRESHOLDS[Precision(coarser)]
    assert more.min_sqnr_db > less.min_sqnr_db
    assert more.min_top1_agreement >= less.min_top1_agreement
    assert more.min_faithful_db >= less.min_faithful_db
    assert more.max_top1_drop <= less.max_top1_drop


@pytest.mark.parametrize("max_drop", [0.0, 0.3, 5.0])
def test_a_limit_of_the_users_replaces_the_general_drop_alone(max_drop: float) -> None:
    """Nought is a limit as well."""
    expected = replace(THRESHOLDS[Precision.INT8], max_top1_drop=max_drop)
    assert limits_for(Precision.INT8, max_drop) == expected
    half = limits_for(Precision.FP16, max_drop, half_sums=True)
    assert (half.max_top1_drop, half.min_sqnr_db) == (max_drop, HALF_SUMS_DB)


def test_sums_in_fp16_never_raise_a_limit() -> None:
    for precision in Precision:
        usual, less = limits_for(precision), limits_for(precision, half_sums=True)
        assert less.min_sqnr_db <= usual.min_sqnr_db
        assert less.min_faithful_db <= usual.min_faithful_db
        assert (less.min_top1_agreement, less.max_top1_drop) == (usual.min_top1_agreement, usual.max_top1_drop)


def test_a_change_of_function_may_cost_what_int8_may() -> None:
    int8 = THRESHOLDS[Precision.INT8]
    assert (RECOVERY.min_agreement, RECOVERY.max_top1_drop) == (int8.min_top1_agreement, int8.max_top1_drop)
