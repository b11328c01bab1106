"""Reading an exported program: names, arguments, followers, quantizations, what is live, what is stored."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.errors import ToolchainError
from converters.lowering.program import (
    arguments,
    evaluate,
    live_nodes,
    module_path,
    only_user,
    operator_name,
    result_shape,
    stored_tensors,
    tensor_name,
    tensor_quantization,
    unsupported,
)
from converters.lowering.values import Quantization
from tests.lowering_nodes import Nodes

X = torch.ones(1, 3, 4, 4)


class Inner(nn.Module):
    """A parameter, a buffer that is not kept, a constant, and an operation that nobody reads."""

    passing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3, 1, 1), 2.0))
        self.register_buffer("passing", torch.full((3, 1, 1), 5.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        torch.exp(x)
        return x * self.weight + self.passing + torch.tensor(0.5)


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return torch.export.export(nn.Sequential(nn.Identity(), Inner()).eval().requires_grad_(False), (X,))


def test_a_result_is_called_by_its_module_and_its_node(program: ExportedProgram) -> None:
    (product,) = (node for node in program.graph.nodes if operator_name(node) == "aten.mul.Tensor")
    assert module_path(product) == "1"
    assert tensor_name(product) == "1/mul"
    assert result_shape(product) == (1, 3, 4, 4)


def test_at_the_top_there_is_no_path() -> None:
    nodes = Nodes()
    node = nodes.call("aten.relu.default", nodes.given(X))
    assert (module_path(node), tensor_name(node)) == ("", "relu_default")


def test_arguments_have_their_names_and_defaults() -> None:
    nodes = Nodes()
    x = nodes.given(X)
    assert arguments(nodes.call("aten.softmax.int", x, 1)) == {"self": x, "dim": 1, "dtype": None}
    named = arguments(nodes.call("aten.add.Tensor", x, x, alpha=3))
    assert list(named.items()) == [("self", x), ("other", x), ("alpha", 3)]


def test_the_only_reader() -> None:
    nodes = Nodes()
    x = nodes.given(X)
    assert only_user(x) is None
    reader = nodes.call("aten.mul.Tensor", x, x)
    assert only_user(x) is reader
    nodes.call("aten.relu.default", x)
    assert only_user(x) is None


def test_codes_have_the_bits_that_the_writer_takes() -> None:
    nodes = Nodes()
    x = nodes.given(X)
    assert tensor_quantization(nodes.quantize(x, 0.5, -3)) == Quantization(scales=(0.5,), zero_point=-3)
    wide = nodes.quantize(x, 0.5, 9, bits=16)
    assert tensor_quantization(wide, bits=(8, 16)) == Quantization(scales=(0.5,), zero_point=9, bits=16)
    with pytest.raises(ToolchainError, match=r"codes -32768\.\.32767 as torch\.int16.*activations to int8"):
        tensor_quantization(wide)
    unsigned = nodes.call("quantized_decomposed.quantize_per_tensor.default", x, 0.5, 0, 0, 255, torch.uint8)
    with pytest.raises(ToolchainError, match=r"codes 0\.\.255 as torch\.uint8.*activations to int8 or int16"):
        tensor_quantization(unsigned, bits=(8, 16))


def test_an_error_names_the_operator_the_module_and_the_way_out(program: ExportedProgram) -> None:
    (product,) = (node for node in program.graph.nodes if operator_name(node) == "aten.mul.Tensor")
    error = unsupported(product, "of three", "use two")
    assert (error.got, error.do) == ("aten.mul.Tensor of three in 1", "use two")
    nodes = Nodes()
    error = unsupported(nodes.call("aten.relu.default", nodes.given(X)), "", "do")
    assert error.got.endswith("in the model's own forward")


def test_what_nobody_reads_is_not_live_but_the_input_is(program: ExportedProgram) -> None:
    operators = [operator_name(node) for node in live_nodes(program) if node.op == "call_function"]
    assert operators[:2] == ["aten.mul.Tensor", "aten.add.Tensor"]
    assert "aten.exp.default" not in operators
    assert "aten.exp.default" in [operator_name(node) for node in program.graph.nodes]
    constant = torch.export.export(Constant(), (X,))
    assert [node.name for node in live_nodes(constant) if node.op == "placeholder"][-1] == "x"


class Constant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002  # that is the point
        return torch.ones(2) * 2


def test_parameters_buffers_and_constants_are_stored_under_their_placeholders(program: ExportedProgram) -> None:
    tensors = stored_tensors(program)
    placeholders = {node.name for node in program.graph.nodes if node.op == "placeholder"}
    assert tensors.keys() == placeholders - set(program.graph_signature.user_inputs)
    assert sorted(float(tensor.flatten()[0]) for tensor in tensors.values()) == [0.5, 2.0, 5.0]
    assert not any(tensor.requires_grad for tensor in tensors.values())


def test_a_node_of_constants_is_computed() -> None:
    nodes = Nodes()
    first, second = nodes.given(X, "a"), nodes.given(X * 2, "b")
    node = nodes.call("aten.cat.default", [first, second], dim=1)
    value = evaluate(node, {first: X, second: X * 7})
    assert value.shape == (1, 6, 4, 4)
    assert value[0, 3, 0, 0] == 7, "what is known counts, not what was seen when it was exported"
