"""Ranges that follow from an operation: no code is spent on what codes cannot give."""

from __future__ import annotations

import pytest
import torch
from torch.fx import Graph, Node

from calib.ranges import Range, affine_parameters
from evit_mobile.quantization.integer_ranges import (
    SMALLEST_SQUARE,
    UNIT_PARAMETERS,
    has_fixed_parameters,
    integer_parameters,
    product_range,
)

ATEN = torch.ops.aten


def test_a_product_is_within_the_products_of_its_operands_codes() -> None:
    assert product_range((1.0, 127), (0.5, -128)) == (-255 * 127.5, 0)


def test_a_product_of_signed_factors_has_its_ends_at_any_corner() -> None:
    assert product_range((1.0, 0), (1.0, 0)) == (-128 * 127, 128 * 128)
    assert product_range((1.0, -128), (1.0, 127)) == (-255 * 255, 0)
    assert product_range((1.0, -128), (2.0, -128)) == (0, 2 * 255 * 255)


def operation(target: object, *operands: str, **also: object) -> tuple[Node, list[Node]]:
    """A node and the inputs that it reads."""
    graph = Graph()
    inputs = [graph.placeholder(name) for name in operands]
    return graph.call_function(target, tuple(inputs), dict(also)), inputs  # type: ignore[arg-type]  # an operator


def observed(low: float, high: float) -> Range:
    return low, high


@pytest.mark.parametrize("target", [ATEN.sigmoid.default, ATEN.softmax.int])
def test_sigmoid_and_softmax_have_their_kernels_parameters_whatever_was_seen(target: object) -> None:
    node, (source,) = operation(target, "x")
    assert has_fixed_parameters((source, node))
    assert not has_fixed_parameters((source,))
    found = integer_parameters((node,), lambda: pytest.fail("looked at the range"), {}, frozenset({(node,)}))
    assert found == UNIT_PARAMETERS == (1 / 256, -128)


def test_a_reciprocal_root_is_clipped_below_the_smallest_square() -> None:
    node, (source,) = operation(ATEN.rsqrt.default, "x")
    known = {source: (0.01, -128)}
    most = (SMALLEST_SQUARE * 0.01) ** -0.5
    assert integer_parameters((node,), lambda: observed(0.1, 1000.0), known) == affine_parameters(0.1, most)
    assert integer_parameters((node,), lambda: observed(0.1, 2.0), known) == affine_parameters(0.1, 2.0)


def test_a_product_is_no_wider_than_its_operands_allow() -> None:
    node, (a, b) = operation(ATEN.mul.Tensor, "a", "b")
    known = {a: (0.1, -128), b: (0.1, -128)}
    assert integer_parameters((node,), lambda: observed(-3.0, 900.0), known) == affine_parameters(0.0, 25.5 * 25.5)
    assert integer_parameters((node,), lambda: observed(0.0, 7.0), known) == affine_parameters(0.0, 7.0)


def test_other_operations_have_what_was_seen_and_a_zero_point_of_0_where_it_is_asked_for() -> None:
    node, _ = operation(ATEN.relu.default, "x")
    group = (node,)
    assert integer_parameters(group, lambda: observed(0.0, 4.0), {}) == affine_parameters(0.0, 4.0)
    scale, zero_point = integer_parameters(group, lambda: observed(0.0, 4.0), {}, frozenset({group}))
    assert (scale, zero_point) == (pytest.approx(4 / 127), 0)
