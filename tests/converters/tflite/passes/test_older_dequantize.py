"""DEQUANTIZE of a scale per channel declares a version that GPUs take; nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converters.lowering.values import Quantization
from converters.tflite.graph import DataType, Graph, Operation, Tensor
from converters.tflite.passes.older_dequantize import declared, older_dequantize
from converters.tflite.versions import version
from tests.converters.tflite.tflite_helpers import stored

CHANNELS, SINGLE = Quantization(scales=(0.5, 0.25)), Quantization(scales=(0.5,))


def unpacking(source: Tensor, code: str = "DEQUANTIZE") -> Operation:
    return Operation(code=code, inputs=(source,), output=stored((2,), name="y"), options={})


@pytest.mark.parametrize(
    ("operation", "own", "says"),
    [
        (unpacking(stored((2,), CHANNELS)), 5, 2),
        (unpacking(stored((2,), SINGLE)), 2, None),
        (unpacking(replace(stored((2,)), dtype=DataType.FLOAT16)), 3, None),
        (unpacking(stored((2,), CHANNELS), "QUANTIZE"), 1, None),
    ],
    ids=["channels", "one scale", "half", "another operation"],
)
def test_only_what_gpus_refuse_declares_another_version(operation: Operation, own: int, says: int | None) -> None:
    assert version(operation) == own
    assert declared(operation).declared == says
    assert version(declared(operation)) == own, "the oldest runtime is still that of the form that is used"
    assert says is not None or declared(operation) is operation


def test_the_graph_is_a_new_one() -> None:
    graph = Graph(operations=[unpacking(stored((2,), CHANNELS))])
    assert [operation.declared for operation in older_dequantize(graph).operations] == [2]
    assert [operation.declared for operation in graph.operations] == [None]
