"""Whole EfficientViTs as LiteRT and ExecuTorch files: one partition, and the result of the program that was lowered."""

from __future__ import annotations

from functools import lru_cache

import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.quantized_program import graph_module
from converters.tflite.lower import to_bytes as to_tflite
from tests.converters.executorch import executorch_helpers as executorch
from tests.converters.tflite import tflite_helpers as tflite
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, program_of, sqnr_db

lowering = Lazily("converters.executorch.lower")

TFLITE_SQNR_DB = {Precision.FP32: 90.0, Precision.FP16: 55.0}
EXECUTORCH_SQNR_DB = {Precision.FP32: 90.0, Precision.FP16: 50.0}
INT8_SQNR_DB = 25.0  # codes on the edge between two values fall on different sides and later layers carry that on

FAST = {
    ("efficientvit_m0", 128, Precision.FP32),
    ("efficientvit_b0", 96, Precision.FP32),
    ("efficientvit_b0", 96, Precision.INT8),
}
OF_TFLITE = (Precision.FP32, Precision.INT8, Precision.INT8_WEIGHTS, Precision.FP16, Precision.INT8_FULL)
"""Those that have the same form follow each other: it is exported once."""

OF_EXECUTORCH = (Precision.FP32, Precision.FP16, Precision.INT8)
SMALLEST = [("efficientvit_m0", 128), ("efficientvit_b0", 96)]
MORE = [
    ("efficientvit_m0", 224),
    ("efficientvit_m0", 256),
    ("efficientvit_m1", 224),
    ("efficientvit_m5", 128),
    ("efficientvit_b0", 224),
    ("efficientvit_b2", 96),
    ("efficientvit_l1", 64),
]
CASES = [
    pytest.param(name, size, precision, marks=() if (name, size, precision) in FAST else pytest.mark.slow)
    for name, size in [*SMALLEST, *MORE]
    for precision in OF_TFLITE
]
"""Those of one program follow each other: it is made once for both formats."""


@lru_cache(maxsize=1)
def lowered(name: str, size: int, precision: Precision) -> tuple[ExportedProgram, Tensor]:
    return program_of(name, size, precision)


def test_cascaded_attention_needs_no_transpose_but_the_inputs() -> None:
    program, _ = lowered("efficientvit_m0", 128, Precision.FP32)  # the first of those below
    assert executorch.kinds(lowering.to_bytes(program, Precision.FP32, METADATA))["StaticTranspose"] == 1


@pytest.mark.parametrize("precision", [pytest.param(Precision.INT8, marks=pytest.mark.slow), Precision.FP32])
def test_files_run_without_xnnpack_too(precision: Precision) -> None:
    program, x = lowered("efficientvit_m0", 128, precision)  # as below
    file = to_tflite(program, precision, METADATA)
    interpreter = Interpreter(model_content=file, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x.permute(0, 2, 3, 1).contiguous().numpy())
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = graph_module(program)(x).detach().numpy()
    assert sqnr_db(output, expected) > TFLITE_SQNR_DB.get(precision, INT8_SQNR_DB)


@pytest.mark.parametrize(("name", "size", "precision"), CASES)
def test_one_partition_and_the_same_result(name: str, size: int, precision: Precision) -> None:
    program, x = lowered(name, size, precision)
    expected = graph_module(program)(x).detach().numpy()
    file = to_tflite(program, precision, METADATA)
    assert (
        precision is Precision.INT8_FULL or tflite.partitions(file) == 1
    )  # that one is for NPUs, whose compilers take it whole
    assert sqnr_db(tflite.run(file, x), expected) > TFLITE_SQNR_DB.get(precision, INT8_SQNR_DB)
    if precision in OF_EXECUTORCH:
        file = lowering.to_bytes(program, precision, METADATA)
        assert executorch.kinds(file).total() > 0  # which also asserts that there is one delegate
        assert sqnr_db(executorch.run(file, x), expected) > EXECUTORCH_SQNR_DB.get(precision, INT8_SQNR_DB)
