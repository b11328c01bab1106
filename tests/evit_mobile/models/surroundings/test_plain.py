"""A part of a forward in operations that all formats have; the others are refused by name and place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.forms import FORMS
from evit_mobile.models.surroundings.plain import PLAIN, in_plain_operations, is_plain, plain, skip_unchanged
from tests.evit_mobile.models.surroundings.graphs import Forward, called, graph_of, program_of, rewritten

Step = Callable[[Any, Tensor], Tensor]


@pytest.mark.parametrize(
    ("step", "operations"),
    [
        (lambda _, x: x.clone().detach().exp(), ["exp"]),
        (lambda _, x: x.exp().float().contiguous(), ["exp"]),
        (lambda _, x: x.double().exp().float(), ["to", "exp", "to"]),
        (lambda _, x: x, []),
    ],
)
def test_what_does_nothing_in_eval_mode_goes(step: Step, operations: list[str]) -> None:
    assert rewritten(skip_unchanged, Forward(step), torch.randn(1, 4)) == (operations, 0)


@pytest.mark.parametrize(
    ("step", "foreign"),
    [
        (lambda m, x: F.linear(torch.split(x, 2, 1)[1], m.weight).relu(), []),
        (lambda _, x: F.linear(x, torch.relu(x)), ["linear"]),
        (lambda m, x: F.linear(x, m.weight.exp()[:, :1] * x), ["linear"]),
        (lambda _, x: x.cumsum(1), ["cumsum"]),
        (lambda _, x: (x > 0).float() * x, ["gt", "to"]),
        (lambda _, x: x.argmax(1, keepdim=True) * x, ["argmax"]),
        (lambda _, x: x.double().exp().float(), ["to", "exp", "to"]),
    ],
)
def test_an_operation_is_plain_for_floats_and_a_layer_for_constant_weights(step: Step, foreign: list[str]) -> None:
    graph = graph_of(Forward(step, weight=torch.ones(3, 2)), torch.randn(1, 4))
    skip_unchanged(graph)
    found = [str(node.target).split(".")[1] for node in graph.graph.nodes if not is_plain(node)]
    assert found == foreign


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (lambda _, x: (x.clone() - 1) / 2, True),
        (lambda m, x: F.linear(x, m.weight).softmax(1), True),
        (lambda _, x: x.clone().sub_(1) / 2, False),
        (lambda _, x: F.dropout(x, training=False), False),
        (lambda _, x: F.silu(x), False),
    ],
)
def test_only_what_is_not_plain_is_decomposed(step: Step, left: bool) -> None:
    program = program_of(Forward(step, weight=torch.ones(3, 4)), torch.randn(1, 4))
    assert in_plain_operations(program) is left
    assert not any(form in PLAIN for form in map(str, FORMS))
    x = torch.randn(1, 4)
    torch.testing.assert_close(plain(program, "Wrap", {})(x), program.module()(x))


def test_a_part_that_does_nothing_is_nothing() -> None:
    program = program_of(
        Forward(lambda m, x: (m.dropout(x.clone()) + 3) * 1 - 3, dropout=nn.Dropout()), torch.zeros(1, 4)
    )
    assert isinstance(plain(program, "Wrap", {}), nn.Identity)


def test_forms_constants_choices_and_layers_in_one_go() -> None:
    torch.manual_seed(0)
    module = Forward(
        lambda m, x: F.silu(m.norm(m.head((x - 1) / 2)))[:, [2, 0]] * m.scale.exp(),
        head=nn.Linear(4, 4),
        norm=nn.BatchNorm1d(4),
        scale=torch.randn(2),
    )
    x = torch.randn(1, 4)
    part = plain(program_of(module, x), "Wrap", {})
    assert called(part) == ["linear", "sigmoid", "mul", "slice", "slice", "cat", "mul"]
    assert sorted(tuple(parameter.shape) for parameter in part.parameters()) == [(4,), (4, 4)]
    with torch.no_grad():
        assert torch.allclose(part(x), module(x), atol=1e-6)


def test_other_operations_are_refused_by_name_and_place() -> None:
    program = program_of(Forward(lambda _, x: x.cumsum(1).cumprod(1).erf().sort(1)[0].frac()), torch.randn(1, 4))
    with pytest.raises(CheckpointError) as refusal:
        plain(program, "Wrap", {"aten.cumsum.default": " in 'head.0'"})
    assert refusal.value.got == (
        "a Wrap that, outside the EfficientViT, calls cumsum in 'head.0', cumprod, erf, sort and 1 more"
    )


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_plain_operation_is_one_of_torchs(name: str) -> None:
    _, operation, overload = name.split(".")
    assert str(getattr(getattr(torch.ops.aten, operation), overload)) == name
