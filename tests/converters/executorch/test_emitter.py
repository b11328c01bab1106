"""How operations are written into the delegate's graph: which layers are int8, which constants are one, and what moves first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.fx import Graph, Node

from converters.errors import ToolchainError
from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Tensor
from converters.lowering.layout import natural
from converters.lowering.values import Constant, Quantization, Value

HALF = Quantization(scales=(0.5,))


@pytest.fixture
def node() -> Node:
    """A sum of a program, which errors name."""
    graph = Graph()
    x = graph.placeholder("x")
    return graph.call_function(torch.ops.aten.add.Tensor, (x, x))


def emitted(emitter: Emitter) -> list[str]:
    return [operation.kind for operation in emitter.graph.operations]


@pytest.mark.parametrize(
    ("weight", "source", "result", "int8"),
    [
        (Quantization(scales=(1.0, 127.9)), HALF, Quantization(scales=(0.25,)), True),
        (
            Quantization(scales=(1.0, 128.0)),
            HALF,
            Quantization(scales=(0.25,)),
            False,
        ),  # 256, which XNNPACK refuses to load
        (Quantization(scales=(1.0,), axis=1), HALF, HALF, False),
        (None, HALF, HALF, False),
        (HALF, None, HALF, False),
        (HALF, HALF, None, False),
    ],
)
def test_a_layer_is_int8_where_xnnpack_has_it(
    weight: Quantization | None, source: Quantization | None, result: Quantization | None, int8: bool
) -> None:
    assert Emitter(DataType.FP32).has_int8_layer(weight, source, result) is int8


def test_more_dimensions_than_xnnpack_has_are_refused() -> None:
    emitter = Emitter(DataType.FP32)
    x = Tensor(shape=(1,) * 6, dtype=DataType.FP32)
    emitter.write_reshape(x, (1,) * 6)
    with pytest.raises(ToolchainError, match="at most 6 dimensions"):
        emitter.write_reshape(x, (1,) * 7)


def test_equal_constants_are_one_tensor() -> None:
    emitter = Emitter(DataType.FP32)
    array = np.ones((2, 3), np.float32)
    first = emitter.constant(array, DataType.FP32)
    assert emitter.constant(array.copy(), DataType.FP32) is first
    others = [
        emitter.constant(array.reshape(3, 2), DataType.FP32),
        emitter.constant(array.view(np.int32), DataType.QCINT32),
        emitter.constant(array, DataType.FP32, HALF),
        emitter.constant(2 * array, DataType.FP32),
    ]
    assert len({id(one) for one in (first, *others)}) == 5
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    stored = emitter.constant(transposed, DataType.FP32)
    assert stored.data is not None
    assert stored.data.tobytes() == np.array([0, 3, 1, 4, 2, 5], np.float32).tobytes()


def test_parameters_are_rounded_to_half_precision_but_for_those_of_convolutions(node: Node) -> None:
    emitter = Emitter(DataType.FP16)
    weight = Constant(torch.full((2, 3), 0.1))
    assert emitter.float_weight(weight, (0, 1), 0, node).dtype is DataType.FP16
    wide = emitter.float_weight(Constant(torch.full((2, 3, 1, 1), 0.1)), (0, 2, 3, 1), 0, node)
    assert (wide.dtype, wide.shape) == (DataType.FP32, (2, 1, 1, 3))


@pytest.mark.parametrize("value", [65505.0, -7e4, np.inf, np.nan])
def test_what_half_precision_cannot_hold_is_refused_and_says_what_to_do(value: float, node: Node) -> None:
    with pytest.raises(ToolchainError, match=r"a constant above 65504 .*convert this model with --fp32 or --int8"):
        Emitter(DataType.FP16).write_constant(np.array([1.0, value]), node)
    assert Emitter(DataType.FP32).write_constant(np.array([value], np.float64), node).dtype is DataType.FP32
    assert Emitter(DataType.FP16).write_constant(np.array([65504.0]), node).dtype is DataType.FP16
    assert Emitter(DataType.FP16).write_constant(np.array([]), node).shape == (0,)


@pytest.mark.parametrize(("value", "code"), [(3.0, 127), (-0.3, -127), (0.0, 0)])
def test_a_number_of_an_int8_operation_is_the_code_127_times_its_scale(value: float, code: int, node: Node) -> None:
    stored = Emitter(DataType.FP32).write_number(value, node, Quantization(scales=(abs(value) / 127 or 1.0,)))
    assert stored.data is not None
    assert (stored.dtype, stored.data.tolist()) == (DataType.QINT8, [code])


def test_what_is_converted_is_converted_once_and_equal_numbers_not_at_all() -> None:
    emitter = Emitter(DataType.FP32)
    value = Value(Tensor(shape=(2, 3), dtype=DataType.FP32), natural((2, 3)))
    coded = emitter.quantized(value, HALF)
    assert (coded.tensor.dtype, coded.quantization) == (DataType.QINT8, HALF)
    assert emitter.quantized(value, HALF).tensor is coded.tensor
    assert emitter.quantized(coded, Quantization(scales=(0.5,))) is coded
    assert emitter.quantized(coded, Quantization(scales=(0.5,), zero_point=1)).tensor is not coded.tensor
    assert emitted(emitter) == ["Convert", "Convert"]


def test_what_was_just_converted_to_int8_is_transposed_before() -> None:
    emitter = Emitter(DataType.FP32)
    image = Tensor(shape=(1, 3, 8, 6), dtype=DataType.FP32)
    coded = emitter.quantized(Value(image, natural(image.shape)), HALF).tensor
    moved = emitter.transposed(coded, (0, 2, 3, 1))
    assert (moved.shape, moved.quantization) == ((1, 8, 6, 3), HALF)
    assert emitted(emitter) == ["Convert", "StaticTranspose", "Convert"]
    transpose, convert = emitter.graph.operations[1:]
    assert transpose.inputs["input_id"] is image
    assert convert.inputs["input_id"] is transpose.output
    floats = emitter.transposed(image, (0, 2, 3, 1))
    assert floats is transpose.output, "which is done once"


def test_movement_is_written_with_the_fields_of_the_schema() -> None:
    emitter = Emitter(DataType.FP32)
    x = Tensor(shape=(2, 5, 3), dtype=DataType.QINT8, quantization=HALF)
    cut = emitter.write_slice(x, 1, 3, 2, name="")
    assert (cut.shape, cut.quantization) == ((2, 2, 3), HALF)
    padded = emitter.write_pad(x, [(0, 0), (1, 2), (3, 0)], name="")
    assert (padded.shape, padded.quantization) == ((2, 8, 6), HALF)
    turned = emitter.write_transpose(x, (2, 0, 1))
    assert turned.shape == (3, 2, 5)
    joined = emitter.write_concatenation([x, x, x], 1, (2, 15, 3), name="", quantization=HALF)
    slice_, pad, transpose, concatenate = emitter.graph.operations
    assert (slice_.fields["offsets"], slice_.fields["sizes"]) == ([0, 3, 0], [2, 2, 3])
    assert (pad.fields["pre_paddings"], pad.fields["post_paddings"]) == ([0, 1, 3], [0, 2, 0])
    assert transpose.fields["perm"] == [2, 0, 1]
    assert (concatenate.kind, concatenate.fields["axis"], joined.shape) == ("Concatenate3", 1, (2, 15, 3))
    assert [concatenate.inputs[f"input{place}_id"] for place in range(1, 6)] == [x, x, x, None, None]
