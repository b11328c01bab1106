"""What a file contains, what XNNPACK takes of it, and why not the rest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Artefact, Precision
from converters.tflite import inspect as inspection
from converters.tflite.inspect import collect_fallbacks, inspect_file, module_path, operator_kinds, tensor_dtype
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite.small import METADATA
from tests.converters.tflite.tflite_helpers import content
from tests.lowering_helpers import export


def test_inspection_counts_operations_and_types(artefact: Artefact) -> None:
    inspection = TFLiteTarget().inspect(artefact.path)
    assert inspection.operations["CONV_2D"] == 2
    assert inspection.operations["BATCH_MATMUL"] == 2
    assert set(inspection.dtypes) == {"float32", "int32"}
    assert inspection.bytes == artefact.bytes
    assert inspection.delegation is not None
    assert inspection.delegation.partitions == 1
    assert inspection.delegation.delegated_ops == inspection.delegation.total_ops == sum(inspection.operations.values())
    assert inspection.delegation.fallback == ()


def test_inspection_says_what_xnnpack_leaves_where_and_why(tmp_path: Path) -> None:
    """A file in which TANH, in the middle, becomes an operation that XNNPACK does not have."""
    from ai_edge_litert import schema_py_generated as schema

    class Middle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
            self.squash = nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(self.squash(self.first(x)))
            return out

    import flatbuffers

    file = content(export(Middle(), torch.randn(1, 3, 4, 4)))
    tables = schema.ModelT.InitFromPackedBuf(file, 0)
    (code,) = (code for code in tables.operatorCodes if code.builtinCode == schema.BuiltinOperator.TANH)
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU_0_TO_1, 127
    tables.metadata = []
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "foreign.tflite"
    path.write_bytes(bytes(builder.Output()))
    delegation = inspect_file(path).delegation
    assert delegation is not None
    assert (delegation.partitions, delegation.delegated_ops, delegation.total_ops) == (2, 2, 3)
    (fallback,) = delegation.fallback
    assert (fallback.op, fallback.count, fallback.modules) == ("RELU_0_TO_1", 1, ("squash",))
    assert "no such operation" in fallback.reason


def test_fp16_weights_count_as_delegated(program: ExportedProgram, tmp_path: Path) -> None:
    path = tmp_path / "half.tflite"
    TFLiteTarget().lower(program, Precision.FP16, path, METADATA)
    delegation = inspect_file(path).delegation
    assert delegation is not None
    assert delegation.delegated_ops == delegation.total_ops
    assert inspect_file(path).dtypes["float16"] > 0


def model_of(
    kind: str, sources: list[tuple[str, str]], *, constant: bool = False, name: str = "block.0/conv"
) -> tuple[Any, Any]:
    """A model of one operator on tensors of these names and types, all or none of them constant; and the operator."""
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    tensors = []
    for label, dtype in [*sources, (name, "FLOAT32")]:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = label.encode(), getattr(schema.TensorType, dtype), int(constant)
        tensors.append(tensor)
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, list(range(len(sources))), [len(sources)]
    subgraph = SimpleNamespace(tensors=tensors, operators=[operator])
    buffers = [SimpleNamespace(data=None), SimpleNamespace(data=[0])]
    return SimpleNamespace(operatorCodes=[code], subgraphs=[subgraph], buffers=buffers), operator


@pytest.mark.parametrize(
    ("kind", "sources", "reason"),
    [
        ("CUMSUM", [("x", "FLOAT32")], "XNNPACK has no such operation"),
        ("SOFTMAX", [("x", "INT8")], "XNNPACK has no int8 form of it"),
        ("CONCATENATION", [("x", "INT8")] * 6, "XNNPACK joins at most 5 tensors"),
        ("FULLY_CONNECTED", [("x", "FLOAT32"), ("w", "FLOAT32")], "XNNPACK needs a constant weight"),
        ("CONCATENATION", [("x", "INT8")] * 5, "outside the types, shapes or scales that XNNPACK accepts"),
        ("SOFTMAX", [("x", "FLOAT32")], "outside the types, shapes or scales that XNNPACK accepts"),
    ],
)
def test_what_xnnpack_leaves_has_its_reason(kind: str, sources: list[tuple[str, str]], reason: str) -> None:
    model, operator = model_of(kind, sources)
    assert inspection._reason(model, operator_kinds(model)[0], operator) == reason


def test_a_layer_with_a_constant_weight_has_another_reason() -> None:
    model, operator = model_of("FULLY_CONNECTED", [("x", "FLOAT32"), ("w", "FLOAT32")], constant=True)
    assert "constant weight" not in inspection._reason(model, "FULLY_CONNECTED", operator)


@pytest.mark.parametrize(
    ("result", "sources", "module"),
    [
        ("stem.conv/conv2d", ["image", "w"], "stem.conv"),
        ("logits", ["head.norm/x", "head.linear/weight"], "head.linear"),  # a weight tells more than the input
        ("logits", ["head.norm/x"], "head.norm"),
        ("logits", ["x"], ""),
    ],
)
def test_the_module_is_read_from_names(result: str, sources: list[str], module: str) -> None:
    model, operator = model_of("ADD", [(name, "FLOAT32") for name in sources], name=result)
    assert module_path(model.subgraphs[0], operator) == module


def test_an_absent_bias_has_no_name() -> None:
    model, operator = model_of("CONV_2D", [("a/x", "FLOAT32"), ("w", "FLOAT32")], name="logits")
    operator.inputs = [0, 1, -1]
    assert module_path(model.subgraphs[0], operator) == "a"


def test_fallbacks_of_a_kind_and_a_reason_are_one() -> None:
    model, operator = model_of("SOFTMAX", [("x", "INT8")])
    model.subgraphs[0].operators = [operator] * 3
    (one,) = collect_fallbacks(model, [0, 2], lambda kind, _operator: f"no {kind}")
    assert (one.op, one.count, one.reason, one.modules) == ("SOFTMAX", 2, "no SOFTMAX", ("block.0",))
    reasons = iter("abc")
    assert len(collect_fallbacks(model, [0, 1, 2], lambda _kind, _operator: next(reasons))) == 3
    assert collect_fallbacks(model, [], pytest.fail) == ()


def test_a_type_and_an_operation_of_a_later_schema_are_unknown() -> None:
    model, _ = model_of("ADD", [("x", "INT8")])
    tensor = model.subgraphs[0].tensors[0]
    assert tensor_dtype(tensor) == "int8"
    tensor.type, model.operatorCodes[0].builtinCode = 99, 9999
    assert (tensor_dtype(tensor), operator_kinds(model)) == ("unknown", ["unknown"])
