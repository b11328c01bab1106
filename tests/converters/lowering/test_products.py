"""Which factor of a product is x, how both are stored, and what is exact about an int8 layer's bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.errors import ToolchainError
from converters.lowering.products import (
    INT32_LIMIT,
    best_side,
    constant,
    constant_parameters,
    int8_product,
    int32_bias,
    optional_constant,
    pair,
    plan_product,
)
from converters.lowering.values import Constant, Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, value_of
from tests.lowering_nodes import Nodes

A, B = torch.ones(2, 3, 4), torch.ones(2, 4, 5)
ROWS, COLUMNS = (0, 1, 2), (0, 2, 1)
SYMMETRIC, SHIFTED = Quantization(scales=(1.0,)), Quantization(scales=(1.0,), zero_point=3)


def plan(
    first: tuple[int, ...],
    second: tuple[int, ...],
    codes: tuple[Quantization | None, Quantization | None] = (None, None),
    *,
    integer: bool = False,
) -> tuple[object, ...]:
    """Which factor x is, how many elements move, whether y is stored transposed, and the order of the result."""
    nodes = Nodes()
    node = nodes.call("aten.matmul.default", nodes.given(A, "a"), nodes.given(B, "b"))
    a, b = value_of(A, first, codes[0]), value_of(B, second, codes[1])
    found = plan_product(node, a, b, integer=integer)
    assert found.layout.shape == (2, 3, 5)
    return "A" if found.x.value is a else "B", found.x.moved + found.y.moved, found.transposed, found.layout.order


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (ROWS, ROWS, ("A", 0, False, ROWS)),
        (ROWS, COLUMNS, ("A", 0, True, ROWS)),
        (COLUMNS, COLUMNS, ("B", 0, False, COLUMNS)),  # (A B)^T = B^T A^T
        (COLUMNS, ROWS, ("A", 24, False, ROWS)),  # A is smaller than B
    ],
)
def test_the_plan_moves_the_fewest_elements(
    first: tuple[int, ...], second: tuple[int, ...], expected: tuple[object, ...]
) -> None:
    assert plan(first, second) == expected


def test_an_integer_only_file_moves_what_it_must_for_a_symmetric_second_factor() -> None:
    assert plan(ROWS, ROWS, (SYMMETRIC, SHIFTED))[:2] == ("A", 0)
    assert plan(ROWS, ROWS, (SYMMETRIC, SHIFTED), integer=True) == ("B", 40, True, COLUMNS)
    assert plan(ROWS, ROWS, (SHIFTED, SHIFTED), integer=True)[:2] == ("A", 0), "nothing helps"


@pytest.mark.parametrize(
    ("x", "y", "int8"),
    [
        (SHIFTED, SYMMETRIC, True),
        (SYMMETRIC, SHIFTED, False),
        (None, SYMMETRIC, False),
        (SYMMETRIC, None, False),
    ],
)
def test_int8_products_have_a_symmetric_second_factor(
    x: Quantization | None, y: Quantization | None, int8: bool
) -> None:
    sides = (best_side(value_of(A, quantization=one), [(-2, -1)]) for one in (x, y))
    assert int8_product(*sides) is int8


def test_what_has_to_move_anyway_moves_to_the_first_ending() -> None:
    outside = value_of(A, (1, 2, 0))  # the batch lies inside
    side = best_side(outside, [(-2, -1), (-1, -2)])
    assert (side.order, side.moved) == (ROWS, 24)
    free = best_side(value_of(A, COLUMNS), [(-2, -1), (-1, -2)])
    assert (free.order, free.moved) == (COLUMNS, 0)


def test_parameters_are_constants_and_a_bias_may_be_absent() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x, weight = nodes.given(torch.ones(1, 4)), nodes.given(torch.ones(3, 4), "weight")
    matrix = Constant(torch.ones(3, 4))
    emitter.bind(x, value_of(torch.ones(1, 4)))
    emitter.bind(weight, matrix)
    node = nodes.call("aten.linear.default", x, weight)
    assert constant_parameters(emitter, node) == (matrix, None)
    assert optional_constant(emitter, node, weight) is matrix
    with pytest.raises(ToolchainError, match=r"aten\.linear\.default with a computed weight"):
        constant(emitter, node, x)


@pytest.mark.parametrize(("given", "expected"), [([3], (3, 3)), ([3, 5], (3, 5)), ((2, 1), (2, 1))])
def test_one_number_stands_for_both(given: object, expected: tuple[int, int]) -> None:
    assert pair(given) == expected


def test_a_bias_is_rounded_to_units_of_both_scales() -> None:
    weight, source = Quantization(scales=(0.5, 0.25)), Quantization(scales=(0.1,), zero_point=9)
    codes, units = int32_bias(np.array([1.0, -0.07], np.float32), weight, source)
    assert codes.dtype == np.int32
    assert codes.tolist() == [20, -3]
    assert units == Quantization(scales=(0.05, 0.025))


def test_a_bias_beyond_int32_is_the_largest() -> None:
    units = Quantization(scales=(1e-9,))
    codes, _ = int32_bias(np.array([1e9, -1e9, 0.0], np.float32), units, Quantization(scales=(1e-9,)))
    assert codes.tolist() == [INT32_LIMIT, -INT32_LIMIT, 0]
