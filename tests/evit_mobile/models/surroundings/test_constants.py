"""What does not depend on the image is computed once, and a layer's constants are its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from evit_mobile.models.surroundings.constants import as_constant, constant_of, fold_constants, parametrise, shape_of
from tests.evit_mobile.models.surroundings.graphs import Forward, called, graph_of, rewritten

VALUES = torch.tensor([1.0, 2.0, 4.0, 8.0])


def empty() -> GraphModule:
    graph = Graph()
    graph.output(graph.placeholder("x"))
    return GraphModule(nn.Module(), graph)


def test_constants_are_named_one_after_the_other_and_found_again() -> None:
    module = empty()
    with module.graph.inserting_before():
        nodes = [as_constant(module, value) for value in (VALUES, VALUES[::2])]
    assert [node.target for node in nodes] == ["constant_0", "constant_1"]
    assert constant_of(module, nodes[1]).tolist() == [1, 4]
    assert module.get_buffer("constant_1").is_contiguous()
    assert shape_of(nodes[1]) == (2,)


def test_a_constant_within_a_part_is_found() -> None:
    module = empty()
    module.part = nn.Linear(2, 1)
    with module.graph.inserting_before():
        node = module.graph.create_node("get_attr", "part.weight")
    assert constant_of(module, node) is not module.part.weight
    assert torch.equal(constant_of(module, node), module.part.weight)
    assert not constant_of(module, node).requires_grad


@pytest.mark.parametrize(("operand", "value"), [(3, 3.0), (-0.5, -0.5)])
def test_a_number_is_a_constant(operand: float, value: float) -> None:
    found = constant_of(empty(), operand)
    assert (found.item(), found.ndim) == (value, 0)


def test_other_operands_are_none() -> None:
    module = empty()
    (image, result) = module.graph.nodes
    assert [constant_of(module, operand) for operand in (image, result, None, "mean", [1, 2])] == [None] * 5


@pytest.mark.parametrize(
    ("forward", "operations"),
    [
        (lambda m, x: x * (m.values * 2).exp(), ["mul"]),
        (lambda m, x: x + torch.split(m.values, 2)[1].repeat(2), ["add"]),
        (lambda m, x: x * torch.stack([m.values, m.values])[0], ["mul"]),
        (lambda m, x: (x * m.values).exp() + m.values.exp(), ["mul", "exp", "add"]),
        (lambda _, x: torch.relu(x), ["relu"]),
    ],
)
def test_what_reads_nothing_but_constants_is_computed_once(
    forward: Callable[[Any, Tensor], Tensor], operations: list[str]
) -> None:
    assert rewritten(fold_constants, Forward(forward, values=VALUES / 8), torch.randn(2, 4)) == (operations, 0)


def test_weights_of_layers_are_parameters_and_other_constants_are_not() -> None:
    module = Forward(
        lambda m, x: nn.functional.linear(m.convolution(x).flatten(1), m.weight, m.bias) + m.shift,
        convolution=nn.Conv2d(3, 2, 8),
        weight=torch.ones(4, 2),
        bias=torch.zeros(4),
        shift=torch.ones(4),
    )
    graph = graph_of(module, torch.zeros(1, 3, 8, 8))
    parametrise(graph)
    assert {name: p.requires_grad for name, p in graph.named_parameters()} == dict.fromkeys(
        ("convolution.weight", "convolution.bias", "weight", "bias"), False
    )
    assert [name for name, _ in graph.named_buffers()] == ["shift"]
    assert graph(torch.zeros(1, 3, 8, 8)).shape == (1, 4)


def test_layers_may_share_their_weights() -> None:
    forward = Forward(
        lambda m, x: nn.functional.linear(nn.functional.linear(x, m.weight), m.weight), weight=torch.eye(3)
    )
    graph = graph_of(forward, torch.zeros(1, 3))
    parametrise(graph)
    assert [name for name, _ in graph.named_parameters()] == ["weight"]
    assert called(graph) == ["linear", "linear"]
