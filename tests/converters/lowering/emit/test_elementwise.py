"""Sums and products against PyTorch, of operands in any order of storage, and when they are int8."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from converters.errors import ToolchainError
from converters.lowering.arithmetic import Arithmetic
from converters.lowering.emit.elementwise import binary, divide
from converters.lowering.values import Constant, Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, logical, value_of
from tests.lowering_nodes import Nodes

SEED = torch.Generator().manual_seed(0)
X = torch.rand(1, 4, 3, 5, generator=SEED) + 0.5
NARROW = Quantization(scales=(0.02,))


def pair(first: Tensor, second: Tensor | float, operator: str) -> tuple[NumpyEmitter, Nodes, object]:
    """The node of an operator on an NHWC activation and another one, or a number."""
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(first)
    emitter.bind(x, value_of(first))
    other: object = second
    if isinstance(second, Tensor):
        other = nodes.given(second, "y")
        emitter.bind(other, value_of(second))
    return emitter, nodes, nodes.call(operator, x, other)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten.add.Tensor", Arithmetic.ADD),
        ("aten.sub.Tensor", Arithmetic.SUB),
        ("aten.mul.Tensor", Arithmetic.MUL),
        ("aten.maximum.default", Arithmetic.MAXIMUM),
        ("aten.minimum.default", Arithmetic.MINIMUM),
    ],
)
@pytest.mark.parametrize("shape", [(1, 4, 3, 5), (1, 4, 1, 1), (1, 1, 3, 5), (5,), (4, 3, 5)])
def test_activations_broadcast_as_in_pytorch(operator: str, kind: Arithmetic, shape: tuple[int, ...]) -> None:
    emitter, _, node = pair(X, torch.rand(shape, generator=SEED) + 0.5, operator)
    binary(kind)(emitter, node)
    np.testing.assert_allclose(logical(emitter.values[node]), node.meta["val"], rtol=1e-6)
    assert emitter.written[-1] == kind.name
    assert emitter.values[node].layout.order == (0, 2, 3, 1), "the image is not moved, what is added to it is"


def test_equal_sizes_take_the_order_of_a_convolution() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    natural, image = nodes.given(X, "natural"), nodes.given(X + 1, "image")
    emitter.bind(natural, value_of(X, (0, 1, 2, 3)))
    emitter.bind(image, value_of(X + 1))
    node = nodes.call("aten.sub.Tensor", natural, image)
    binary(Arithmetic.SUB)(emitter, node)
    assert emitter.values[node].layout.order == (0, 2, 3, 1)
    np.testing.assert_allclose(logical(emitter.values[node]), -np.ones(X.shape), rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 1, 5), (1, 4, 3, 5), (4, 1, 1), (1,)])
def test_constants_are_permuted_when_they_are_written(shape: tuple[int, ...]) -> None:
    constant = torch.rand(shape, generator=SEED)
    emitter, nodes = NumpyEmitter(), Nodes()
    x, c = nodes.given(X), nodes.given(constant, "c")
    emitter.bind(x, value_of(X))
    emitter.bind(c, Constant(constant))
    node = nodes.call("aten.add.Tensor", x, c)
    binary(Arithmetic.ADD)(emitter, node)
    assert emitter.written == ["ADD"]
    np.testing.assert_allclose(logical(emitter.values[node]), X + constant, rtol=1e-6)


def test_exchanged_operands_are_those_of_rsub() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    node = nodes.call("aten.rsub.Scalar", x, 2)
    binary(Arithmetic.SUB, exchanged=True)(emitter, node)
    np.testing.assert_allclose(logical(emitter.values[node]), 2 - X, rtol=1e-6)


def test_a_constant_divisor_is_a_factor_and_a_computed_one_divides() -> None:
    emitter, _, node = pair(X, 4.0, "aten.div.Tensor")
    divide(emitter, node)
    assert emitter.written == ["MUL"]
    assert float(emitter.parameters["number"].array) == 0.25
    np.testing.assert_allclose(logical(emitter.values[node]), X / 4, rtol=1e-6)
    emitter, _, node = pair(X, X * X, "aten.div.Tensor")
    divide(emitter, node)
    assert emitter.written == ["DIV"]
    np.testing.assert_allclose(logical(emitter.values[node]), 1 / X, rtol=1e-6)


def test_a_factor_of_the_second_operand_is_refused() -> None:
    nodes, emitter = Nodes(), NumpyEmitter()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    node = nodes.call("aten.add.Tensor", x, x, alpha=2)
    with pytest.raises(ToolchainError, match=r"aten\.add\.Tensor with alpha=2.*multiply before adding"):
        binary(Arithmetic.ADD)(emitter, node)


def quantized_sum(scale: float, *, integer_only: bool = False) -> NumpyEmitter:
    """An int8 activation plus itself, with a result of that scale."""
    emitter, nodes = NumpyEmitter(integer_only=integer_only), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X, quantization=NARROW))
    total = nodes.call("aten.add.Tensor", x, x)
    last = nodes.quantize(total, scale)
    binary(Arithmetic.ADD)(emitter, total)
    step = scale if last in emitter.values else 0.0
    result = logical(emitter.values[last if last in emitter.values else total])
    assert abs(result - 2 * X.numpy()).max() <= NARROW.scale + step / 2 + 1e-6
    return emitter


def test_an_int8_sum_takes_its_quantize_in() -> None:
    assert quantized_sum(0.04).written == ["ADD"]


def test_scales_beyond_xnnpack_make_a_float_sum_unless_the_file_is_integer_only() -> None:
    assert quantized_sum(32.0).written == ["DEQUANTIZE", "ADD"]
    assert quantized_sum(32.0, integer_only=True).written == ["ADD"]


@pytest.mark.parametrize(("number", "code"), [(0.3, 127), (-0.3, -127), (0.0, 0)])
def test_the_number_in_an_int8_product_is_exact(number: float, code: int) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X, quantization=NARROW))
    product = nodes.call("aten.mul.Tensor", x, number)
    last = nodes.quantize(product, 0.004)
    binary(Arithmetic.MUL)(emitter, product)
    assert emitter.written == ["MUL"]
    written = emitter.parameters["number"]
    assert int(written.array) == code
    assert written.quantization is not None
    assert written.array * written.quantization.scale == pytest.approx(number)
    assert abs(logical(emitter.values[last]) - number * X.numpy()).max() <= 0.3 * 0.01 + 0.002 + 1e-6


def test_constant_codes_stay_codes_in_an_integer_only_file() -> None:
    codes = torch.tensor([1, -2, 3, -4], dtype=torch.int8).view(1, 4, 1, 1)
    constant = Constant(codes * 0.5, codes, Quantization(scales=(0.5,)))
    for integer_only, written in ((True, ["MUL"]), (False, ["DEQUANTIZE", "MUL"])):
        emitter, nodes = NumpyEmitter(integer_only=integer_only), Nodes()
        x, c = nodes.given(X), nodes.given(constant.value, "c")
        emitter.bind(x, value_of(X, quantization=NARROW))
        emitter.bind(c, constant)
        product = nodes.call("aten.mul.Tensor", x, c)
        last = nodes.quantize(product, 0.05)
        binary(Arithmetic.MUL)(emitter, product)
        assert emitter.written == written
        assert emitter.parameters["operand"].array.dtype == (np.int8 if integer_only else np.float32)
        assert (last in emitter.values) == integer_only
