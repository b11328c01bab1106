"""Steps of a file, from codes to codes, and a file of them side by side."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from converters.onnx.steps import Step, ends_of, side_by_side, steps_of

SCALE, ZERO = 0.5, 3


def chain(onnx: ModuleType, *kinds: str) -> Any:
    """image (1, 3, 4, 4) -> logits, by one node after the other: "QuantizeLinear" to codes called q0, q1 ..., "DequantizeLinear" back;
    what is between has the float before it as every operand.
    """
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    last, nodes, codes = "image", [], 0
    for number, operation in enumerate(kinds):
        numbers = ["s", "z"] if operation in ("QuantizeLinear", "DequantizeLinear") else []
        operands = [last, *numbers] if numbers or operation == "Relu" else [last, last]
        name = f"n{number}"
        if operation == "QuantizeLinear":
            name, codes = f"q{codes}", codes + 1
        nodes.append(helper.make_node(operation, operands, [name], name=name))
        last = name
    nodes.append(helper.make_node("Identity", [last], ["logits"], name="logits"))
    stored = [
        onnx.numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in (("s", SCALE, np.float32), ("z", ZERO, np.int8))
    ]
    ends = [helper.make_tensor_value_info(name, kind, [1, 3, 4, 4]) for name in ("image", "logits")]
    graph = helper.make_graph(nodes, "main", ends[:1], ends[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "Relu", "Add", "QuantizeLinear", "DequantizeLinear")


@pytest.fixture
def model(onnx: ModuleType) -> Any:
    return chain(onnx, *QUANTIZED)


def test_floats_between_codes_belong_to_the_step_behind_them_and_those_at_the_end_to_none(model: Any) -> None:
    assert steps_of(model) == [
        Step(nodes=(0,), reads=("image",), result="q0"),
        Step(nodes=(1, 2, 3, 4), reads=("q0",), result="q1"),
    ]


def test_a_float_file_has_no_steps(onnx: ModuleType) -> None:
    assert steps_of(chain(onnx, "Relu", "Add")) == []


def test_steps_hang_together_by_nothing(onnx: ModuleType, model: Any) -> None:
    cut = side_by_side(model, ends_of(model), steps_of(model))
    onnx.checker.check_model(cut, full_check=True)
    assert [end.name for end in cut.graph.input] == ["0/image", "1/q0"]
    assert [end.name for end in cut.graph.output] == ["0/q0", "1/q1"]
    assert {tensor.name for tensor in cut.graph.initializer} == {"0/s", "0/z", "1/s", "1/z"}
    assert all(name.startswith(node.name[:2]) for node in cut.graph.node for name in (*node.input, *node.output))
    assert [end.type.tensor_type.elem_type for end in cut.graph.output] == [onnx.TensorProto.INT8] * 2
    assert (cut.opset_import[0].version, cut.ir_version) == (20, 9)
    assert [node.name for node in model.graph.node][:2] == ["q0", "n1"]  # the source is as it was
