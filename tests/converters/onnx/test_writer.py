"""What is written of constants: floats, halves, and codes with what makes floats of them."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from torch.fx import Graph, Node

pytest.importorskip("onnx", reason="the extra onnx is not installed")

from converters.lowering.values import Constant, Quantization
from converters.onnx.writer import Writer

MATRIX = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
CODES = torch.tensor([[1, -2], [3, -4]], dtype=torch.int8)


def node(name: str = "weight") -> Node:
    return Graph().placeholder(name)


def stored(writer: Writer, onnx: ModuleType) -> dict[str, np.ndarray]:
    return {name: onnx.numpy_helper.to_array(tensor) for name, tensor in writer.initializers.items()}


def test_a_constant_is_written_once_when_it_is_asked_for(onnx: ModuleType) -> None:
    writer, weight = Writer(), node()
    writer.constants[weight] = Constant(MATRIX)
    assert not writer.initializers
    assert writer.name_of(weight) == writer.name_of(weight) == "weight"
    assert stored(writer, onnx)["weight"].tolist() == MATRIX.tolist()
    assert not writer.nodes


def test_halves_are_cast_back_and_single_numbers_stay_whole(onnx: ModuleType) -> None:
    writer = Writer(half_weights=True)
    assert writer.constant(Constant(MATRIX), "w") == "w"
    (cast,) = writer.nodes
    assert (cast.op_type, list(cast.input), list(cast.output)) == ("Cast", ["w/half"], ["w"])
    assert [attribute.i for attribute in cast.attribute] == [onnx.TensorProto.FLOAT]
    writer.constant(Constant(torch.tensor(1e6)), "large")
    assert {name: array.dtype for name, array in stored(writer, onnx).items()} == {
        "w/half": np.float16,
        "large": np.float32,
    }


@pytest.mark.parametrize("axis", [0, 1])
def test_codes_have_a_scale_for_each_channel(axis: int, onnx: ModuleType) -> None:
    writer = Writer()
    quantization = Quantization(scales=(0.5, 2.0), axis=axis)
    writer.constant(Constant(MATRIX, codes=CODES, quantization=quantization), "w")
    (dequantize,) = writer.nodes
    assert (dequantize.op_type, list(dequantize.input)) == ("DequantizeLinear", ["w/codes", "w/scale", "w/zero_point"])
    assert [(attribute.name, attribute.i) for attribute in dequantize.attribute] == [("axis", axis)]
    arrays = stored(writer, onnx)
    assert arrays["w/codes"].tolist() == CODES.tolist()
    assert arrays["w/scale"].tolist() == [0.5, 2.0]
    assert (arrays["w/zero_point"].tolist(), arrays["w/zero_point"].dtype) == ([0, 0], np.int8)


def test_one_scale_is_a_number(onnx: ModuleType) -> None:
    writer = Writer()
    names = writer.parameters(Quantization(scales=(0.5,), zero_point=7), np.dtype(np.uint16), "x")
    arrays = stored(writer, onnx)
    assert names == ["x/scale", "x/zero_point"]
    assert (arrays["x/scale"].shape, arrays["x/zero_point"].shape) == ((), ())
    assert (arrays["x/scale"].item(), arrays["x/zero_point"].item()) == (0.5, 7)
    assert arrays["x/zero_point"].dtype == np.uint16


def test_numbers_and_arrays_in_any_order_of_memory(onnx: ModuleType) -> None:
    writer = Writer()
    writer.integers([3, -1], "axes")
    writer.initializer(MATRIX.numpy().T, "turned")
    arrays = stored(writer, onnx)
    assert (arrays["axes"].tolist(), arrays["axes"].dtype) == ([3, -1], np.int64)
    assert arrays["turned"].tolist() == [[1, 3], [2, 4]]


def test_an_operation_is_called_like_its_node() -> None:
    writer, relu = Writer(), node("relu")
    relu.meta["nn_module_stack"] = {"a": ("stage.conv", torch.nn.Conv2d)}
    writer.emit(relu, "Relu", ["image"])
    assert writer.name_of(relu) == "stage.conv/relu"
    assert [(one.op_type, one.name, list(one.output)) for one in writer.nodes] == [
        ("Relu", "stage.conv/relu", ["stage.conv/relu"])
    ]


def test_a_float_layer_s_bias_is_float(onnx: ModuleType) -> None:
    writer = Writer()
    name = writer.bias(node("linear"), node("image"), Constant(MATRIX), Constant(torch.tensor([1.0, 2.0])))
    assert (name, stored(writer, onnx)[name].tolist()) == ("linear/bias", [1.0, 2.0])
