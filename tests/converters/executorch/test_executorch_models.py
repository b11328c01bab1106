"""Whole EfficientViTs: one delegate, and the graph's own result."""

from __future__ import annotations

import pytest
from executorch_helpers import kinds, run
from lowering_helpers import METADATA, program_of, sqnr_db

from converters.contract import Precision
from converters.executorch.lower import to_bytes
from converters.quantized_program import graph_module

FLOAT_SQNR_DB = {Precision.FP32: 90.0, Precision.FP16: 50.0}
INT8_SQNR_DB = 25.0  # codes on the edge between two values fall on different sides and later layers carry that on

FAST = (Precision.FP32, Precision.INT8)
SMALLEST = [
    pytest.param(name, size, precision, marks=[] if precision in FAST else [pytest.mark.slow])
    for name, size in (("efficientvit_m0", 128), ("efficientvit_b0", 96))
    for precision in Precision
]


def check(name: str, size: int, precision: Precision) -> None:
    program, x = program_of(name, size, precision)
    file = to_bytes(program, precision, METADATA)
    expected = graph_module(program)(x).detach().numpy()
    assert kinds(file).total() > 0  # which also asserts that there is one delegate
    assert sqnr_db(run(file, x), expected) > FLOAT_SQNR_DB.get(precision, INT8_SQNR_DB)


@pytest.mark.parametrize(("name", "size", "precision"), SMALLEST)
def test_the_smallest_variants_are_one_delegate_and_agree(name: str, size: int, precision: Precision) -> None:
    check(name, size, precision)


def test_cascaded_attention_needs_no_transpose_but_the_inputs() -> None:
    program, _ = program_of("efficientvit_m0", 128, Precision.FP32)
    assert kinds(to_bytes(program, Precision.FP32, METADATA))["StaticTranspose"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientvit_m0", 224),
        ("efficientvit_m1", 224),
        ("efficientvit_m5", 128),
        ("efficientvit_b0", 224),
        ("efficientvit_b2", 96),
        ("efficientvit_l1", 64),
    ],
)
def test_more_variants_are_one_delegate_and_agree(name: str, size: int, precision: Precision) -> None:
    check(name, size, precision)
