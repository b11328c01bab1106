"""ONNX files in ONNX Runtime: the program's own numbers, its int8 in quantize/dequantize pairs, and damage. Skipped without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import ModelProto, TensorProto, numpy_helper

from calib.methods import Method
from converters.contract import Metadata, Precision
from converters.errors import ArtefactError, ToolchainError
from converters.integer_io import with_integer_io
from converters.onnx.file import DIGEST, described, read_model
from converters.onnx.lower import to_bytes
from converters.onnx.target import OnnxTarget
from converters.quantized_program import quantize_program
from evit_mobile.metrics import sqnr_db
from evit_mobile.models import build_model
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.simulate import simulate
from evit_mobile.reference import randomise
from evit_mobile.rewrites import rewrite, rewrite_for_integers
from evit_mobile.spec import find_spec

SIZE = (64, 64)
METADATA = Metadata(description="a test", labels=("one", "two"))
TARGET = OnnxTarget()


class Small(nn.Module):
    """A convolution whose ReLU a quantization follows, an attention-like product, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.pointwise, self.linear = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.pointwise(self.conv(x).relu()).flatten(2)
        return self.linear((rows @ rows.transpose(1, 2)).softmax(-1).mean(1))


def images(count: int, side: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def lowered(path: Path, program: torch.export.ExportedProgram, precision: Precision) -> Path:
    TARGET.lower(program, precision, path, METADATA)
    return path


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0", "efficientvit_l1"])
def test_a_float_file_is_the_program(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model(find_spec(name, size=SIZE, num_classes=10))
    randomise(model, SIZE)
    program, x = export(rewrite(model, images(2))[0], SIZE), images(4)
    with torch.no_grad():
        expected = model(x).numpy()
    for precision, floor_db in ((Precision.FP32, 90), (Precision.FP16, 40)):
        path = lowered(tmp_path / f"{precision}.onnx", program, precision)
        assert sqnr_db(TARGET.load(path)(x.numpy()), expected) > floor_db


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_FULL, Precision.A16W8])
def test_an_int8_file_is_the_plan(precision: Precision, tmp_path: Path) -> None:
    x = images(8, 16)
    model = Small().eval()
    form = rewrite_for_integers(model, x)[0] if precision is Precision.INT8_FULL else model
    program = export(form, (16, 16))
    plan = make_plan(program, x.split(1), profile=precision)
    quantized = quantize_program(program, plan)
    if precision is Precision.INT8_FULL:
        quantized = with_integer_io(quantized)
    path = lowered(tmp_path / "m.onnx", quantized, precision)
    expected = np.concatenate([simulate(program, plan)(each).detach().numpy() for each in x.split(1)])
    assert sqnr_db(TARGET.load(path)(x.numpy()), expected) > 25
    spec = TARGET.inspect(path).inputs[0]
    assert (spec.dtype, spec.scale is None) == (
        ("int8", False) if precision is Precision.INT8_FULL else ("float32", True)
    )


def test_16_bits_are_finer_than_8(tmp_path: Path) -> None:
    x, model = images(8, 16), Small().eval()
    program, found = export(model, (16, 16)), {}
    with torch.no_grad():
        expected = model(x).numpy()
    for precision in (Precision.INT8, Precision.A16W8):
        plan = make_plan(program, x.split(1), profile=precision, method=Method.MIN_MAX)
        path = lowered(tmp_path / f"{precision}.onnx", quantize_program(program, plan), precision)
        found[precision] = sqnr_db(TARGET.load(path)(x.numpy()), expected)
    assert found[Precision.A16W8] > found[Precision.INT8] + 3
    stored = {tensor.data_type for tensor in read_model(path).graph.initializer}
    assert {TensorProto.UINT16, TensorProto.INT8, TensorProto.INT32} <= stored


def test_16_bits_of_weights_are_refused(tmp_path: Path) -> None:
    x = images(4, 16)
    program = export(Small().eval(), (16, 16))
    plan = make_plan(program, x.split(1), profile=Precision.A16W8)
    wide = replace(plan, weights=tuple(replace(weight, bits=16) for weight in plan.weights))
    with pytest.raises(ToolchainError, match="quantize weights to int8"):
        lowered(tmp_path / "m.onnx", quantize_program(program, wide), Precision.A16W8)


def test_biases_are_int32_in_steps_of_their_layer_and_a_relu_is_the_lowest_code(tmp_path: Path) -> None:
    x = images(8, 16)
    program = export(Small().eval(), (16, 16))
    quantized = quantize_program(program, make_plan(program, x.split(1)))
    model = read_model(lowered(tmp_path / "m.onnx", quantized, Precision.INT8))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = {node.output[0]: node for node in model.graph.node}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 2
    for node in convolutions:
        source, weight, bias = (nodes[name] for name in node.input)
        assert stored[weight.input[0]].dtype == np.int8
        assert stored[bias.input[0]].dtype == np.int32
        np.testing.assert_allclose(stored[bias.input[1]], stored[source.input[1]] * stored[weight.input[1]], rtol=1e-6)
    assert not any(node.op_type == "Relu" for node in model.graph.node)


def test_the_same_program_gives_the_same_bytes_and_damage_is_found(tmp_path: Path) -> None:
    program = export(Small().eval(), (16, 16))
    content = to_bytes(program, Precision.FP32, METADATA)
    assert content == to_bytes(program, Precision.FP32, METADATA)
    path = tmp_path / "m.onnx"
    for position in range(0, len(content), 97):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        with pytest.raises(ArtefactError):
            TARGET.load(path)
    model = ModelProto.FromString(content)
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtefactError, match="no digest"):
        TARGET.load(path)
    assert [entry.key for entry in described(model, {}).metadata_props][-1] == DIGEST


def test_an_operation_that_is_not_in_the_table_is_named() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cumsum(x, 1)

    with pytest.raises(ToolchainError, match="cumsum"):
        to_bytes(export(Odd(), (16, 16)), Precision.FP32, METADATA)
