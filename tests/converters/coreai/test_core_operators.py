"""Composite operators in core ones: the same nodes that PyTorch's own decompositions make, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # as PyTorch's own documentation calls it
from torch import Tensor
from torch.export import ExportedProgram, default_decompositions
from torch.utils._pytree import tree_map

from converters.coreai.core_operators import FORMS, to_core_operators
from converters.lowering.program import module_path
from tests.lowering_helpers import Apply, export

RANDOM = torch.Generator().manual_seed(0)
IMAGE, WEIGHT, DEPTHWISE = (
    torch.randn(shape, generator=RANDOM) for shape in ((1, 4, 6, 5), (6, 4, 3, 2), (4, 1, 3, 3))
)
ROWS, HEADS = (torch.randn(shape, generator=RANDOM) for shape in ((2, 4), (2, 3, 4, 5)))

CASES: dict[str, tuple[Callable[[Tensor], Tensor], Tensor]] = {
    "convolution": (lambda x: F.conv2d(x, WEIGHT, WEIGHT[:, 0, 0, 0].clone(), (2, 1), (1, 0), (1, 2)), IMAGE),
    "convolution with nothing else": (lambda x: F.conv2d(x, WEIGHT), IMAGE),
    "convolution of groups": (lambda x: F.conv2d(x, DEPTHWISE, padding=1, groups=4), IMAGE),
    "linear": (lambda x: F.linear(x, WEIGHT[:, :, 0, 0].clone(), WEIGHT[:, 0, 0, 0].clone()), ROWS),
    "linear without a bias": (lambda x: F.linear(x, WEIGHT[:, :, 0, 0].clone()), ROWS),
    "products on two axes": (lambda x: x @ x.transpose(-1, -2), HEADS),
    "products on one axis": (lambda x: x @ x.transpose(-1, 1), HEADS[0]),
    "a product for all heads": (lambda x: x @ x[:1, :1].transpose(2, 3), HEADS),
    "products of what is turned": (lambda x: x.permute(1, 0, 3, 2) @ x.transpose(0, 1), HEADS),
    "softmax": (lambda x: x.softmax(-1), HEADS),
    "softmax of an axis": (lambda x: F.softmax(x, 1), HEADS),
    "axes from the end": (lambda x: x.transpose(-3, 3), HEADS),
    "flat": (lambda x: x.flatten(1, -2), HEADS),
    "flat, of what is turned": (lambda x: x.transpose(1, 3).flatten(1), HEADS),
    "another shape": (lambda x: x.reshape(2, -1, 10), HEADS),
    "another shape of what is turned": (lambda x: x.transpose(0, 3).reshape(-1, 6), HEADS),
    "norm of rows": (lambda x: F.layer_norm(x, (4,), ROWS[0].clone(), ROWS[1].clone(), 1e-3), ROWS),
    "norm without weights": (lambda x: F.layer_norm(x, (4, 5)), HEADS),
    "at least": (lambda x: x.clamp_min(0.25), ROWS),
}


def composed(program: ExportedProgram) -> list[tuple[str, Any]]:
    """Operators of a program, with what else they are told and the shapes of their results."""
    return [
        (
            str(node.target),
            [one for one in node.args if not hasattr(one, "op")],
            tree_map(lambda one: tuple(one.shape), node.meta["val"]),
        )
        for node in program.graph.nodes
        if node.op == "call_function"
    ]


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_pytorch_makes_of_it(case: str) -> None:
    apply, example = CASES[case]
    program = export(Apply(apply), example)
    usual = program.run_decompositions(default_decompositions())
    expected = program.module()(example)
    to_core_operators(program)
    assert not {node.target for node in program.graph.nodes} & {*FORMS}
    assert composed(program) == composed(usual)
    program.graph.lint()
    assert torch.equal(program.module()(example), expected)


LEFT: dict[str, tuple[Callable[[Tensor], Tensor], Tensor]] = {
    "convolution of one image": (lambda x: F.conv2d(x, WEIGHT), IMAGE[0]),
    "linear, of a sequence": (
        lambda x: F.linear(x, WEIGHT[0, :3, :, 0].clone()),
        torch.randn(2, 5, 3, generator=RANDOM),
    ),
    "product with a vector": (lambda x: x @ x[0], ROWS),
    "softmax in another type": (lambda x: x.softmax(-1, dtype=torch.float64), ROWS),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_has_no_form_is_left_to_pytorch(case: str) -> None:
    apply, example = LEFT[case]
    program = export(Apply(apply), example)
    before = composed(program)
    to_core_operators(program)
    assert composed(program) == before
    assert {node.target for node in program.graph.nodes} & {*FORMS}


def test_operations_stay_in_their_modules() -> None:
    program = export(torch.nn.Sequential(torch.nn.Conv2d(4, 2, 1), torch.nn.Flatten(), torch.nn.Linear(60, 3)), IMAGE)
    to_core_operators(program)
    paths = [(node.name, module_path(node)) for node in program.graph.nodes if node.op == "call_function"]
    assert paths == [("conv2d", "0"), ("flatten", "1"), ("permute", "2"), ("linear", "2")]
