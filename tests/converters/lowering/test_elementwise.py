"""Operands of sums and products: what is a number, what may be int8, what lies as the result does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.errors import ToolchainError
from converters.lowering.elementwise import (
    aligned,
    as_operand,
    as_they_are,
    int8_form,
    operands,
    power_operation,
    scales_allowed,
)
from converters.lowering.layout import Layout
from converters.lowering.values import Constant, Quantization, Value
from tests.converters.lowering.numpy_runtime import NumpyEmitter, Stored, value_of
from tests.lowering_nodes import Nodes

X = torch.arange(24.0).view(1, 4, 2, 3)


def test_operands_are_values_and_numbers_in_their_order() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    value = value_of(X)
    emitter.bind(x, value)
    first, second = operands(emitter, nodes.call("aten.sub.Tensor", x, 3))
    assert first is value
    assert isinstance(second, Constant)
    assert (second.value.item(), second.shape, second.value.dtype) == (3.0, (), torch.float64)


def test_a_factor_before_adding_is_refused() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    with pytest.raises(ToolchainError, match=r"alpha=0\.5"):
        operands(emitter, nodes.call("aten.add.Tensor", x, x, alpha=0.5))


def test_a_number_keeps_all_its_digits() -> None:
    constant = as_operand(NumpyEmitter(), 0.1)
    assert isinstance(constant, Constant)
    assert constant.value.item() == 0.1


@pytest.mark.parametrize(
    ("number", "scale"), [(127.0, 1.0), (-63.5, 0.5), (0.0, 1.0)], ids=["positive", "negative", "zero"]
)
def test_a_number_is_int8_by_a_scale_of_its_own(number: float, scale: float) -> None:
    assert int8_form(Constant(torch.tensor([[number]]))) == Quantization(scales=(scale,))


def test_an_activation_is_int8_as_it_is_and_a_tensor_of_numbers_is_not() -> None:
    given = Quantization(scales=(0.5,), zero_point=7)
    assert int8_form(value_of(X, quantization=given)) == given
    assert int8_form(value_of(X)) is None
    assert int8_form(Constant(torch.ones(2))) is None


@pytest.mark.parametrize(
    ("scales", "product", "allowed"),
    [
        ((2.0**-10, 1.0), False, True),
        ((2.0**-10.01, 1.0), False, False),
        ((2.0**8, 1.0), False, False),
        ((2.0**7.99, 1.0), False, True),
        ((2.0**-8, 2.0**-8), True, True),
        ((2.0**-8, 2.0**-8.01), True, False),
        ((2.0**4, 2.0**4), True, False),
    ],
)
def test_ratios_have_the_range_that_xnnpack_checks(scales: tuple[float, float], product: bool, allowed: bool) -> None:
    inputs = [Quantization(scales=(scale,)) for scale in scales]
    assert scales_allowed(inputs, Quantization(scales=(1.0,)), product=product) is allowed
    doubled = [Quantization(scales=(scale * 2,)) for scale in scales]
    output = Quantization(scales=(4.0 if product else 2.0,))
    assert scales_allowed(doubled, output, product=product) is allowed, "only the ratio counts"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (value_of(X + 1), True),
        (value_of(X, (0, 1, 2, 3)), False),
        (value_of(X[:, :1]), False),
        (Value(Stored(np.zeros(24)), value_of(X).layout), False),
        (Constant(X), True),
        (Constant(torch.ones(1, 1)), True),
        (Constant(torch.ones(1, 1, 1, 1, 1)), False),
        (Constant(torch.ones(3)), False),
    ],
    ids=["alike", "order", "shape", "stored flat", "whole", "number", "number of a higher rank", "row"],
)
def test_what_combines_without_a_reshape(other: Value[Stored] | Constant, same: bool) -> None:
    reference = value_of(X)
    assert as_they_are([reference, other], reference) is same


def test_leading_ones_are_left_off_and_the_rest_is_moved() -> None:
    emitter, vector = NumpyEmitter(), torch.arange(4.0)
    flat = Value(Stored(vector.numpy()), Layout((4,), (0,)))
    assert aligned(emitter, flat, (0, 1, 2)).shape == (4,)
    assert emitter.written == []
    channels = value_of(torch.arange(4.0).view(4, 1, 1), (0, 1, 2))
    moved = aligned(emitter, channels, (0, 2, 3, 1))
    assert moved.shape == (1, 1, 1, 4)
    assert emitter.written == ["RESHAPE"], "no element moves where all others are one"
    rows = aligned(emitter, value_of(torch.arange(6.0).view(2, 3)), (0, 2, 1))
    np.testing.assert_array_equal(rows.array.squeeze(), torch.arange(6.0).view(2, 3).t())


def test_powers_come_from_the_table() -> None:
    nodes = Nodes()
    x = nodes.given(X)
    table = {2: "SQUARE", 0.5: "SQRT"}
    assert power_operation(nodes.call("aten.pow.Tensor_Scalar", x, 2), table) == "SQUARE"
    assert power_operation(nodes.call("aten.pow.Tensor_Scalar", x, 2.0), table) == "SQUARE"
    with pytest.raises(ToolchainError, match=r"with exponent 3.*use one of 2, 0\.5"):
        power_operation(nodes.call("aten.pow.Tensor_Scalar", x, 3), table)
