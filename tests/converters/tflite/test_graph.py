"""The graph before it is bytes: its numbers are the schema's, and each tensor is there once."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from converters.tflite.graph import DATA_TYPES, NUMPY_TYPES, Activation, DataType, Graph, Operation, Padding
from tests.converters.tflite.tflite_helpers import stored


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(DataType, schema.TensorType), (Activation, schema.ActivationFunctionType), (Padding, schema.Padding)],
)
def test_numbers_are_the_schemas(ours: type[IntEnum], theirs: type) -> None:
    assert {member.name: int(member) for member in ours} == {
        member.name: getattr(theirs, member.name) for member in ours
    }


def test_every_type_has_one_of_numpys() -> None:
    assert set(NUMPY_TYPES) == set(DataType)
    assert {DATA_TYPES[np.dtype(numpy_type)]: numpy_type for numpy_type in NUMPY_TYPES.values()} == NUMPY_TYPES


def test_tensors_are_numbered_as_they_appear() -> None:
    x, constant, middle, last = (stored((1,), name=name) for name in ("x", "constant", "middle", "last"))
    operations = [
        Operation(code="ADD", inputs=(constant, x), output=middle, options={}),
        Operation(code="CONV_2D", inputs=(middle, constant, None), output=last, options={}),
    ]
    graph = Graph(inputs=[x], outputs=[last], operations=operations)
    assert [tensor.name for tensor in graph.tensors()] == ["x", "constant", "middle", "last"]


def test_tensors_that_look_alike_are_two() -> None:
    first, second, result = (stored((1,), name="same") for _ in range(3))
    graph = Graph(inputs=[first], operations=[Operation(code="ADD", inputs=(first, second), output=result, options={})])
    assert len(graph.tensors()) == 3
    assert Graph().tensors() == []
