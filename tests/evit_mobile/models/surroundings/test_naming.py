"""Operations and modules in the words of an error."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.fx import Graph, Node

from evit_mobile.models.surroundings.naming import named, operation, place


def node(target: object = torch.ops.aten.add.Tensor, *stack: str) -> Node:
    made = Graph().call_function(target)
    made.meta["nn_module_stack"] = {str(index): (path, nn.Module) for index, path in enumerate(stack)}
    return made


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (torch.ops.aten.add.Tensor, "add"),
        (torch.ops.aten._log_softmax.default, "_log_softmax"),
        (torch.ops.aten.sum.dim_IntList, "sum"),
    ],
)
def test_an_operation_has_the_name_that_torch_gives_it(target: object, name: str) -> None:
    assert operation(node(target)) == name


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        ((), ""),
        (("module",), ""),
        (("module", "module.head"), " in 'head'"),
        (("module", "module.head", "module.head.0"), " in 'head.0'"),
    ],
)
def test_the_place_is_the_innermost_module(stack: tuple[str, ...], words: str) -> None:
    assert place(node(torch.ops.aten.add.Tensor, *stack)) == words


def test_a_node_without_a_stack_has_no_place() -> None:
    assert place(Graph().call_function(torch.ops.aten.add.Tensor)) == ""


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c", "d"], "a, b, c, d"),
        (["a", "b", "c", "d", "e"], "a, b, c, d and 1 more"),
        (list("abcdefgh"), "a, b, c, d and 4 more"),
    ],
)
def test_a_list_is_cut_after_four(items: list[str], words: str) -> None:
    assert named(items) == words
