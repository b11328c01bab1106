"""What a file contains, what XNNPACK takes of it, and why not the rest."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Artefact, Precision
from converters.tflite.inspect import inspect_file
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
