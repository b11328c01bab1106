"""Operations of an asset beside those of its program, told from objects like those of Apple's bindings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.coreai.steps_worker import described, function_for, gives, module_near, paired
from tests.lowering_helpers import export

IMAGE = torch.zeros(1, 3, 4, 6)
FLOATS = "tensor<1x2x4x6xf32>"


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return export(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()), IMAGE)


def operation(name: str, *types: str, node: str = "") -> SimpleNamespace:
    results = [SimpleNamespace(type=one, uses=[]) for one in types]
    return SimpleNamespace(name=f"coreai.{name}", attributes={}, results=results, location=f'"call_stack": ["{node}"]')


def graph_of(*inside: SimpleNamespace) -> SimpleNamespace:
    block = SimpleNamespace(operations=[SimpleNamespace(operation=one) for one in inside])
    return SimpleNamespace(operation=SimpleNamespace(regions=[SimpleNamespace(blocks=[block])]))


def graph(*, origins: bool, weight: str = "tensor<2x3x1x1xf32>", last: str = "relu") -> SimpleNamespace:
    """A conversion of the program, with `origins` as they name the program's nodes, else as a file has it."""
    nodes = ("conv2d", "conv2d", "relu") if origins else ("0", "0", "1")
    constant = operation("constant", weight)
    convolution = operation("conv2d", "tensor<1x2x4x6xf32>", node=nodes[0])
    constant.results[0].uses = [SimpleNamespace(owner=convolution)]
    bias, relu = operation("broadcasting_add", FLOATS, node=nodes[1]), operation(last, FLOATS, node=nodes[2])
    return graph_of(constant, convolution, bias, relu, operation("output"))


def test_each_node_has_the_last_of_its_operations(program: ExportedProgram) -> None:
    written = graph(origins=False)
    pairs = paired(written, graph(origins=True), program)
    operations = [one.operation for one in written.operation.regions[0].blocks[0].operations]
    assert pairs.values == {"conv2d": operations[2].results[0], "relu": operations[3].results[0]}
    assert pairs.kinds["conv2d"] == ["conv2d", "broadcasting_add"]
    assert (list(pairs.constants), pairs.reads["conv2d"]) == (["constant_0"], ["constant_0"])
    off = {"conv2d": torch.tensor([0, 0.5]), "relu": torch.tensor([0, 3.0])}
    steps = list(described(program, pairs, off, {"constant_0": 7}))
    assert [(one["operation"], one["module"], one["quanta"]) for one in steps] == [("conv2d", "0", 7), ("relu", "1", 3)]
    assert [one["differing"] for one in steps] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"weight": "tensor<2x4x1x1xf32>"},
            r"operation 0 is constant tensor<2x4x1x1xf32>, where the program has constant",
        ),
        ({"last": "gelu"}, r"operation 3 is gelu .*, where the program has relu .* of \['relu'\]"),
    ],
)
def test_another_operation_is_named(changed: dict[str, str], said: str, program: ExportedProgram) -> None:
    with pytest.raises(ValueError, match=said):
        paired(graph(origins=False, **changed), graph(origins=True), program)


def test_a_missing_operation_is_named(program: ExportedProgram) -> None:
    with pytest.raises(ValueError, match="operation 0 is missing, where the program has constant"):
        paired(graph_of(), graph(origins=True), program)


@pytest.mark.parametrize(
    ("spelled", "declared", "fits"),
    [
        (FLOATS, torch.zeros(1, 2, 4, 6), True),
        (FLOATS, torch.zeros(1, 2, 4, 6).half(), False),
        (FLOATS, torch.zeros(1, 2, 6, 4), False),
        ("tensor<2xsi8>", torch.zeros(2, dtype=torch.int8), True),
        ("tensor<2xsi32>", torch.zeros(2, dtype=torch.int32), False),
        (FLOATS, None, False),
    ],
)
def test_a_value_is_of_a_node_that_declares_its_type(spelled: str, declared: Any, fits: bool) -> None:
    assert gives(SimpleNamespace(type=spelled), declared) is fits


def test_a_weight_belongs_to_the_module_that_reads_it(program: ExportedProgram) -> None:
    nodes = {node.name: node for node in program.graph.nodes}
    assert module_near(nodes["p_0_weight"]) == "0"
    assert module_near(nodes["relu"]) == "1"


def test_the_function_is_that_of_the_images_size() -> None:
    sizes = ["size_6x4", "size_4x6"]
    assert function_for(["main"], IMAGE.numpy()) == "main"
    assert function_for(sizes, IMAGE.numpy()) == "size_4x6"
    assert function_for([f"pixels_{one}" for one in sizes], np.zeros((1, 4, 6, 3), np.uint8)) == "pixels_size_4x6"
