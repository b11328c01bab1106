"""From a program to the bytes of a file: its versions, its ends, and programs that no file can hold."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="the extra onnx is not installed")

from converters.contract import Metadata, Precision
from converters.errors import ToolchainError
from converters.integer_io import with_integer_io
from converters.onnx.file import stated
from converters.onnx.lower import to_bytes
from tests.lowering_helpers import Apply, export, quantize

X = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
METADATA = Metadata(description="a test", labels=("one", "two"))


def program_of() -> torch.export.ExportedProgram:
    torch.manual_seed(0)
    return export(nn.Conv2d(3, 2, 3, padding=1), X)


def model_of(onnx: ModuleType, program: torch.export.ExportedProgram, precision: Precision) -> Any:
    return onnx.ModelProto.FromString(to_bytes(program, precision, METADATA))


@pytest.mark.parametrize(
    ("precision", "opset", "version"), [(Precision.FP32, 20, 9), (Precision.FP16, 20, 9), (Precision.A16W8, 21, 10)]
)
def test_a_file_asks_for_no_newer_version_than_it_needs(
    precision: Precision, opset: int, version: int, onnx: ModuleType
) -> None:
    model = model_of(onnx, program_of(), precision)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", opset)]
    assert (model.ir_version, model.producer_name) == (version, "evit-mobile")
    assert stated(model) == {"description": "a test", "labels": ["one", "two"]}


def test_ends_are_called_alike_in_every_file(onnx: ModuleType) -> None:
    quantized = quantize(program_of(), X)
    for program, kind in ((program_of(), onnx.TensorProto.FLOAT), (with_integer_io(quantized), onnx.TensorProto.INT8)):
        model = model_of(onnx, program, Precision.INT8_FULL)
        (image,), (logits,) = model.graph.input, model.graph.output
        assert [image.name, logits.name] == ["image", "logits"]
        for end, shape in ((image, [1, 3, 4, 4]), (logits, [1, 2, 4, 4])):
            assert end.type.tensor_type.elem_type == kind
            assert [dim.dim_value for dim in end.type.tensor_type.shape.dim] == shape


def test_weights_are_halves_in_fp16_only(onnx: ModuleType) -> None:
    for precision, dtype in ((Precision.FP32, np.float32), (Precision.FP16, np.float16)):
        stored = model_of(onnx, program_of(), precision).graph.initializer
        assert {onnx.numpy_helper.to_array(one).dtype for one in stored} == {np.dtype(dtype)}


def test_what_depends_on_no_image_is_computed_beforehand(onnx: ModuleType) -> None:
    model = model_of(onnx, export(Apply(lambda x, c: x * (c.exp() + 1), c=torch.zeros(1)), X), Precision.FP32)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Identity"]
    (stored,) = model.graph.initializer
    assert onnx.numpy_helper.to_array(stored).tolist() == [2.0]


def test_several_results_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x + 1, x + 2

    with pytest.raises(ToolchainError, match="a model with 1 inputs and 2 outputs; allowed: one image in"):
        to_bytes(export(Two(), X), Precision.FP32, METADATA)
