"""Whole EfficientViTs: one partition, the graph's own result, also on runtimes without XNNPACK."""

from __future__ import annotations

import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from lowering_helpers import METADATA, program_of, sqnr_db
from tflite_helpers import partitions, run

from converters.contract import Precision
from converters.quantized_program import graph_module
from converters.tflite.lower import to_bytes

FLOAT_SQNR_DB = {Precision.FP32: 90.0, Precision.FP16: 55.0}
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
    assert partitions(file) == 1
    assert sqnr_db(run(file, x), expected) > FLOAT_SQNR_DB.get(precision, INT8_SQNR_DB)


@pytest.mark.parametrize(("name", "size", "precision"), SMALLEST)
def test_the_smallest_variants_are_one_partition_and_agree(name: str, size: int, precision: Precision) -> None:
    check(name, size, precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientvit_m0", 224),
        ("efficientvit_m0", 256),
        ("efficientvit_m1", 224),
        ("efficientvit_m5", 128),
        ("efficientvit_b0", 224),
        ("efficientvit_b2", 96),
        ("efficientvit_l1", 64),
    ],
)
def test_more_variants_are_one_partition_and_agree(name: str, size: int, precision: Precision) -> None:
    check(name, size, precision)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_files_run_without_xnnpack_too(precision: Precision) -> None:
    program, x = program_of("efficientvit_m0", 64, precision)
    file = to_bytes(program, precision, METADATA)
    interpreter = Interpreter(model_content=file, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x.permute(0, 2, 3, 1).contiguous().numpy())
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = graph_module(program)(x).detach().numpy()
    assert sqnr_db(output, expected) > FLOAT_SQNR_DB.get(precision, INT8_SQNR_DB)
