"""One factor of every int8 product has zero point 0: the one that loses least by it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx import Graph, Node

from converters.contract import Precision, QuantPlan
from converters.quantized_program import graph_module
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.integer_products import CLEARLY, factors_of, growth, symmetric_groups
from tests.evit_mobile.quantization.test_placement import SIZE, images
from tests.lowering_helpers import Apply

ATEN = torch.ops.aten


def zero_points_of_products(program: torch.export.ExportedProgram, plan: QuantPlan) -> list[list[int]]:
    """Of both factors of every int8 product in the program."""
    found = {item.tensor: item.zero_point for item in plan.activations}
    products = [factors_of(node) for node in graph_module(program).graph.nodes if node.name in found]
    return [[found[factor.name] for factor in factors] for factors in products if factors]


def signed(x: Tensor) -> Tensor:
    """(1, 3, H, W) -> (1, 3, 64): on both sides of zero."""
    return x[:, :, :8, :8].flatten(2)


def positive(x: Tensor) -> Tensor:
    """(1, 3, H, W) -> (1, 3, 64): nothing below zero."""
    return torch.relu(x[:, :, 8:16, 8:16]).flatten(2)


def also_positive(x: Tensor) -> Tensor:
    """The same, with other values."""
    return torch.relu(x[:, :, 16:24, 16:24]).flatten(2)


PRODUCTS: dict[str, tuple[Callable[[Tensor], Tensor], list[bool]]] = {
    "the second where both lose alike": (lambda x: positive(x) @ also_positive(x).transpose(1, 2), [False, True]),
    "the first where it loses less": (lambda x: signed(x) @ positive(x).transpose(1, 2), [True, False]),
    "the second where it loses less": (lambda x: positive(x) @ signed(x).transpose(1, 2), [False, True]),
    "one tensor on both sides": (lambda x: (y := positive(x)) @ y.transpose(1, 2), [True, True]),
    "the other than a softmax": (lambda x: positive(x).transpose(1, 2).softmax(-1) @ positive(x), [False, True]),
    "the other than a sigmoid": (lambda x: positive(x) @ torch.sigmoid(signed(x)).transpose(1, 2), [True, False]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_factor_that_loses_least_has_zero_point_0(name: str) -> None:
    model, expected = PRODUCTS[name]
    program = export(Apply(model), SIZE)
    plan = make_plan(program, images(1).split(1), profile=Precision.INT8_FULL)
    (pair,) = zero_points_of_products(program, plan)
    assert [zero_point == 0 for zero_point in pair] == expected
    assert plan.floats == ()


def nodes_of(count: int) -> tuple[Graph, list[Node]]:
    """A graph of so many inputs."""
    graph = Graph()
    return graph, [graph.placeholder(f"x{index}") for index in range(count)]


@pytest.mark.parametrize(
    ("zero_point", "expected"), [(-128, 255 / 127), (127, 255 / 127), (0, 128 / 127), (-1, 128 / 127), (60, 188 / 127)]
)
def test_a_scale_grows_by_what_a_range_lies_off_zero(zero_point: int, expected: float) -> None:
    _, (x,) = nodes_of(1)
    assert growth((x,), {x: (0.1, zero_point)}) == pytest.approx(expected)


def test_a_tensor_whose_kernel_has_parameters_of_its_own_cannot_grow() -> None:
    graph, (x,) = nodes_of(1)
    softmax = graph.call_function(ATEN.softmax.int, (x, -1))
    assert growth((x, softmax), {x: (0.1, 0), softmax: (1 / 256, -128)}) == math.inf


def chosen(first: int, second: int) -> str:
    """Which of a product's factors with these zero points gets 0."""
    graph, (a, b) = nodes_of(2)
    product = graph.call_function(ATEN.matmul.default, (a, b))
    (group,) = symmetric_groups(
        [a, b, product], [(a,), (b,), (product,)], {a: (1.0, first), b: (1.0, second), product: (1.0, 0)}
    )
    return {a: "first", b: "second"}[group[0]]


def test_the_first_factor_is_taken_only_where_it_clearly_loses_less() -> None:
    least = next(off for off in range(128) if (128 + off) / 128 > CLEARLY)
    assert [chosen(0, 0), chosen(0, least - 1), chosen(0, least)] == ["second", "second", "first"]
    assert [chosen(-128, -128), chosen(least, 0)] == ["second", "second"]


def test_a_factor_that_is_chosen_already_serves_the_next_product() -> None:
    graph, (a, b, c) = nodes_of(3)
    one, other = (graph.call_function(ATEN.matmul.default, pair) for pair in ((a, b), (b, c)))
    known = dict.fromkeys((a, b, c, one, other), (1.0, 0))
    groups = [(node,) for node in known]
    assert symmetric_groups([one, other], groups, known) == {(b,)}
    assert symmetric_groups([other, one], groups, known) == {(c,), (b,)}


def test_products_with_a_float_factor_and_other_operations_choose_nothing() -> None:
    graph, (a, b) = nodes_of(2)
    product, total = (graph.call_function(kind, (a, b)) for kind in (ATEN.matmul.default, ATEN.add.Tensor))
    assert factors_of(product) == [a, b]
    assert factors_of(total) == factors_of(a) == []
    known = dict.fromkeys((a, b, product, total), (1.0, 0))
    assert symmetric_groups([product], [(b,)], known) == frozenset()
    assert symmetric_groups([total], [(a,), (b,)], known) == frozenset()
