"""What each operation is written as, and what LiteRT makes of it; what is fused, shared, halved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from converters.errors import ToolchainError
from converters.lowering.arithmetic import Arithmetic
from converters.lowering.emitter import Epilogue
from converters.lowering.layout import Layout
from converters.lowering.values import Constant, Quantization, Value
from converters.tflite.emitter import Emitter
from converters.tflite.graph import Activation, DataType, Tensor
from tests.converters.tflite.tflite_helpers import computed, stored
from tests.lowering_nodes import Nodes

X = np.random.default_rng(0).standard_normal((1, 3, 4, 5), np.float32)
CODES = Quantization(scales=(0.5,), zero_point=3)
NODE = Nodes().given(torch.ones(1), "node")
RELU, RELU6 = (0.0, float("inf")), (0.0, 6.0)


def begun(quantization: Quantization | None = None, **options: Any) -> tuple[Emitter, Tensor]:
    emitter, x = Emitter(**options), stored(X.shape, quantization)
    emitter.graph.inputs.append(x)
    return emitter, x


WRITTEN: dict[str, tuple[Callable[[Emitter, Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]] = {
    "RESHAPE": (lambda e, x: e.write_reshape(x, (4, 15)), lambda x: x.reshape(4, 15)),
    "TRANSPOSE": (lambda e, x: e.write_transpose(x, (2, 0, 3, 1)), lambda x: x.transpose(2, 0, 3, 1)),
    "SLICE": (lambda e, x: e.write_slice(x, 2, 1, 2, name="s"), lambda x: x[:, :, 1:3]),
    "CONCATENATION": (
        lambda e, x: e.write_concatenation([x, x, x], 1, (1, 9, 4, 5), name="c", quantization=None),
        lambda x: np.concatenate([x, x, x], 1),
    ),
    "PAD": (
        lambda e, x: e.write_pad(x, [(0, 0), (1, 2), (0, 1), (3, 0)], name="p"),
        lambda x: np.pad(x, [(0, 0), (1, 2), (0, 1), (3, 0)]),
    ),
    "SOFTMAX": (
        lambda e, x: e.write_softmax(x, name="s", quantization=None),
        lambda x: torch.softmax(torch.from_numpy(x), -1).numpy(),
    ),
}


@pytest.mark.parametrize("code", WRITTEN)
def test_what_is_written_is_what_it_says(code: str) -> None:
    write, expected = WRITTEN[code]
    emitter, x = begun()
    output = write(emitter, x)
    assert emitter.graph.operations[-1].code == code
    assert output.shape == expected(X).shape
    np.testing.assert_allclose(computed(emitter.graph, X), expected(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clamp", [None, RELU, RELU6])
@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        (Arithmetic.ADD, np.add),
        (Arithmetic.SUB, np.subtract),
        (Arithmetic.MUL, np.multiply),
        (Arithmetic.DIV, np.divide),
    ],
)
def test_sums_and_products_end_with_their_clamp(
    kind: Arithmetic, operation: Callable[..., np.ndarray], clamp: tuple[float, float] | None
) -> None:
    emitter, x = begun()
    other = np.array([-4.0, 0.5, 1.0, -0.1, 2.0], np.float32)
    operand = emitter.constant(other, name="other")
    emitter.write_binary(kind, [x, operand], x.shape, Epilogue(last=NODE, clamp=clamp), name="b")
    expected = operation(X * 5, other).clip(*(clamp or (None, None)))
    np.testing.assert_allclose(computed(emitter.graph, X * 5), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "operation"), [(Arithmetic.MAXIMUM, np.maximum), (Arithmetic.MINIMUM, np.minimum)])
def test_a_maximum_has_no_clamp_to_end_with(kind: Arithmetic, operation: Callable[..., np.ndarray]) -> None:
    emitter, x = begun()
    operand = emitter.write_number(0.25, NODE, None)
    emitter.write_binary(kind, [x, operand], x.shape, Epilogue(last=NODE), name="b")
    assert emitter.graph.operations[-1].options == {}
    np.testing.assert_array_equal(computed(emitter.graph, X), operation(X, np.float32(0.25)))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_reads_its_second_factor_either_way(transposed: bool) -> None:
    emitter, x = begun()
    factor = np.random.default_rng(1).standard_normal((1, 3, 5, 2), np.float32)
    y = emitter.constant(factor.swapaxes(2, 3) if transposed else factor, name="y")
    emitter.write_product(x, y, (1, 3, 4, 2), transposed=transposed, name="p", quantization=None)
    np.testing.assert_allclose(computed(emitter.graph, X), X @ factor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("shape", "kept"), [((60, 5), False), ((1, 12, 5), True), ((1, 3, 4, 5), True)])
def test_a_layer_keeps_the_dimensions_of_all_but_matrices(shape: tuple[int, ...], kept: bool) -> None:
    emitter, x = Emitter(), stored(shape)
    emitter.graph.inputs.append(x)
    weight = np.random.default_rng(1).standard_normal((2, 5), np.float32)
    filters, bias = emitter.constant(weight, name="w"), emitter.constant(np.array([1, -1], np.float32), name="b")
    value = Value(x, Layout(shape, tuple(range(len(shape)))))
    output = emitter.write_linear(value, filters, bias, Epilogue(last=NODE, clamp=RELU), name="l")
    values = np.random.default_rng(2).standard_normal(shape, np.float32)
    assert emitter.graph.operations[-1].options["keepNumDims"] is kept
    assert output.shape == (*shape[:-1], 2)
    expected = (values @ weight.T + np.array([1, -1], np.float32)).clip(0)
    np.testing.assert_allclose(computed(emitter.graph, values), expected, rtol=1e-5, atol=1e-6)


def test_only_two_clamps_are_fused() -> None:
    emitter = Emitter()
    assert emitter.fuses(RELU)
    assert emitter.fuses(RELU6)
    assert not emitter.fuses((-1.0, 1.0))
    assert not emitter.fuses((0.0, 1.0))
    emitter.write_binary(Arithmetic.ADD, [stored((1,)), stored((1,))], (1,), Epilogue(last=NODE, clamp=RELU6), name="a")
    assert emitter.graph.operations[-1].options == {"fusedActivationFunction": Activation.RELU6}


def test_names_are_counted_and_codes_have_their_type() -> None:
    emitter, x = begun()
    outputs = [emitter.emit("ABS", [x], x.shape, name="same", quantization=one) for one in (None, CODES, None)]
    assert [output.name for output in outputs] == ["same", "same.1", "same.2"]
    assert [output.dtype for output in outputs] == [DataType.FLOAT32, DataType.INT8, DataType.FLOAT32]
    assert outputs[1].quantization == CODES


def test_equal_constants_are_one_tensor_and_unequal_ones_are_not() -> None:
    emitter, ones = Emitter(), np.ones(4, np.float32)
    first = emitter.constant(ones, name="a")
    assert emitter.constant(ones.copy(), name="b") is first
    others = [
        emitter.constant(ones.reshape(2, 2), name="a"),
        emitter.constant(ones.view(np.int32), name="a"),
        emitter.constant(ones + 1, name="a"),
    ]
    codes = ones.astype(np.int8)
    others += [emitter.constant(codes, name="a", quantization=one) for one in (None, CODES)]
    assert len({id(tensor) for tensor in [first, *others]}) == 6


@pytest.mark.parametrize(("number", "code"), [(3.0, 127), (-0.1, -127), (0.0, 0)])
def test_a_number_is_a_float_or_one_of_three_codes(number: float, code: int) -> None:
    emitter = Emitter()
    plain, coded = emitter.write_number(number, NODE, None), emitter.write_number(number, NODE, CODES)
    assert (plain.dtype, plain.shape, plain.data.item()) == (DataType.FLOAT32, (1,), pytest.approx(number))
    assert (coded.dtype, coded.shape, coded.data.item(), coded.quantization) == (DataType.INT8, (1,), code, CODES)


def test_half_weights_are_stored_in_half_and_unpacked_once() -> None:
    emitter, array = Emitter(half_weights=True), np.array([1 / 3, 65504], np.float32)
    tensor = emitter.float_parameter(array, NODE, role="weight")
    assert emitter.float_parameter(array, NODE, role="weight") is tensor
    (unpacking,) = emitter.graph.operations
    assert (unpacking.code, unpacking.output) == ("DEQUANTIZE", tensor)
    assert unpacking.inputs[0] is not None
    assert unpacking.inputs[0].dtype is DataType.FLOAT16
    assert unpacking.inputs[0].data.tolist() == array.astype(np.float16).tolist()


def test_what_half_precision_cannot_hold_is_refused() -> None:
    with pytest.raises(ToolchainError, match=r"with a bias above 65504.*convert this model with --fp32 or --int8"):
        Emitter(half_weights=True).float_parameter(np.array([65536.0], np.float32), NODE, role="bias")
    assert Emitter().float_parameter(np.array([65536.0], np.float32), NODE, role="bias").data == 65536


@pytest.mark.parametrize("half", [False, True])
def test_a_coded_weight_stays_int8_behind_its_unpacking(half: bool) -> None:
    codes = torch.arange(6, dtype=torch.int8).view(2, 3)
    coded = Constant(codes.float(), codes, Quantization(scales=(0.5, 0.25)))
    emitter = Emitter(half_weights=half)
    tensor = emitter.float_weight(coded, (1, 0), 1, NODE)
    assert emitter.float_weight(coded, (1, 0), 1, NODE) is tensor
    (unpacking,) = emitter.graph.operations
    packed = unpacking.inputs[0]
    assert packed is not None
    assert packed.data.tolist() == codes.t().tolist()
    assert packed.quantization == Quantization(scales=(0.5, 0.25), axis=1)
    plain = Emitter().float_weight(Constant(codes.float()), (1, 0), 1, NODE)
    assert plain.data.tolist() == codes.t().tolist()


def test_codes_are_converted_once_for_each_of_their_numbers() -> None:
    emitter, x = begun()
    value = Value(x, Layout(X.shape, (0, 1, 2, 3)))
    coded = emitter.quantized(value, CODES)
    assert emitter.quantized(value, CODES).tensor is coded.tensor
    assert emitter.quantized(coded, CODES) is coded
    again = emitter.quantized(coded, Quantization(scales=(1.0,)), name="wider")
    assert [operation.code for operation in emitter.graph.operations] == ["QUANTIZE", "QUANTIZE"]
    assert (coded.tensor.name, again.tensor.name) == ("x/requantize", "wider")
    emitter.dequantize(again.tensor)
    expected = (np.rint(X / 0.5) * 0.5).clip(-65.5, 62)
    assert abs(computed(emitter.graph, X) - expected).max() <= 0.5


def test_movement_keeps_the_numbers_of_codes() -> None:
    emitter, x = begun(CODES)
    moved = [
        emitter.write_reshape(x, (60,)),
        emitter.write_transpose(x, (3, 2, 1, 0)),
        emitter.write_slice(x, 0, 0, 1, name="s"),
        emitter.write_pad(x, [(0, 0)] * 4, name="p"),
    ]
    assert [(tensor.dtype, tensor.quantization) for tensor in moved] == [(DataType.INT8, CODES)] * 4


def test_indices_are_int32_and_tell_themselves() -> None:
    tensor = Emitter().indices([(0, 1), (2, 3)])
    assert (tensor.dtype, tensor.shape, tensor.name) == (DataType.INT32, (2, 2), "indices/0_1_2_3")
