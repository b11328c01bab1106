"""What is made of an edited module is what torch.export makes of it, node by node and name by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters import integer_io, quantized_program
from converters.integer_io import with_integer_io
from converters.lifting import exported_again
from converters.lowering.program import live_nodes, stored_tensors
from converters.quantized_program import graph_module, set_parameter
from tests.lowering_helpers import Apply, quantize

X = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))


class Passing(nn.Module):
    """Parameters, a buffer that is kept, one that is not, a constant, and a weight that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("passing", torch.rand(4, 1, 1), persistent=False)

    passing: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(B, 4, H, W) -> (B, 4, H, W)"""
        return self.conv(self.norm(self.conv(x)) + self.passing).relu() * torch.tensor(0.5)


def example() -> ExportedProgram:
    torch.manual_seed(0)
    model = nn.Sequential(Passing(), Apply(lambda x, c: torch.matmul(x, c).mean((2, 3)), c=torch.randn(6, 6)))
    return torch.export.export(model.eval().requires_grad_(False), (X,))


def traced(module: torch.fx.GraphModule, program: ExportedProgram, given: tuple[Tensor, ...] | None = None) -> object:
    return torch.export.export(module, given or program.example_inputs[0], strict=False)


def listed(program: ExportedProgram) -> list[tuple[object, ...]]:
    """The nodes that count, with what they give and the module they come from."""
    rows = []
    for node in live_nodes(program):
        value = node.meta.get("val")
        given = (value.shape, value.dtype, value.stride()) if isinstance(value, Tensor) else None
        stack = [*(node.meta.get("nn_module_stack") or {}).values()]
        rows.append((node.op, node.name, str(node.target), str(node.args), str(node.kwargs), given, stack))
    return rows


def assert_same(actual: ExportedProgram, expected: ExportedProgram) -> None:
    assert listed(actual) == listed(expected)
    assert actual.graph_signature.user_inputs == expected.graph_signature.user_inputs
    assert actual.graph_signature.user_outputs == expected.graph_signature.user_outputs
    tensors, others = stored_tensors(actual), stored_tensors(expected)
    assert tensors.keys() <= others.keys()  # what nothing reads is left out
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    (given,), _ = actual.example_inputs
    assert torch.equal(actual.module()(given), expected.module()(given))


def test_a_quantized_program_is_the_traced_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lifted = quantize(example(), X)
    monkeypatch.setattr(quantized_program, "exported_again", traced)
    assert_same(lifted, quantize(example(), X))
    assert not any(name.startswith("p_") and name.endswith("conv_weight") for name in stored_tensors(lifted))


def test_one_with_integers_at_its_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    quantized = quantize(example(), X)
    lifted = with_integer_io(quantized)
    monkeypatch.setattr(integer_io, "exported_again", traced)
    assert_same(lifted, with_integer_io(quantized))


def test_other_weights_are_taken() -> None:
    program = example()
    module = graph_module(program)
    set_parameter(module, "0.conv.weight", torch.ones(4, 4, 3, 3))
    lifted = exported_again(module, program)
    assert_same(lifted, torch.export.export(module, (X,), strict=False))
    assert not torch.equal(lifted.module()(X), program.module()(X))
    assert torch.equal(program.module()(X), example().module()(X))
