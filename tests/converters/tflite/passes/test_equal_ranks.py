"""Int8 sums and products have operands of one rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.contract import Precision
from converters.lowering.values import Quantization
from converters.quantized_program import quantize_program
from converters.tflite.graph import Graph, Operation
from converters.tflite.graph import Tensor as Stored
from converters.tflite.passes.equal_ranks import equal_ranks
from evit_mobile.quantization import make_plan
from evit_mobile.rewrites.integer_layer_norm import CentredNorm
from tests.converters.tflite.passes.detected import (
    files,
    graphs,
    unequal,
)
from tests.converters.tflite.tflite_helpers import run, stored
from tests.lowering_helpers import export


class Normed(nn.Module):
    """The norm of a MIT head in integers: it multiplies a vector by a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 16, bias=False)
        self.norm = CentredNorm(nn.LayerNorm(16))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.layer(x))
        return out


def test_int8_products_have_operands_of_one_rank() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 12)
    program = export(Normed(), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_FULL))
    everywhere, cpu = graphs(program, Precision.INT8_FULL)
    assert (len(unequal(everywhere)), len(unequal(cpu))) == (0, 1)
    ours, theirs = files(program, Precision.INT8_FULL)
    np.testing.assert_array_equal(run(ours, x), run(theirs, x))


SCALE = Quantization(scales=(0.5,))


def product(first: Stored, second: Stored, code: str = "MUL") -> Graph:
    output = stored((1, 2, 3), first.quantization, name="y")
    operation = Operation(code=code, inputs=(first, second), output=output, options={})
    return Graph(inputs=[first], operations=[operation])


@pytest.mark.parametrize(
    ("second", "code", "reshapes"),
    [
        (stored((3,), SCALE, "b"), "MUL", 1),
        (stored((3,), SCALE, "b"), "ADD", 1),
        (stored((3,), SCALE, "b"), "SUB", 1),
        (stored((1, 2, 3), SCALE, "b"), "MUL", 0),
        (stored((3,), SCALE, "b"), "MAXIMUM", 0),
        (stored((3,), None, "b"), "MUL", 0),
        (replace(stored((3,), SCALE, "b"), data=np.ones(3, np.int8)), "MUL", 0),
    ],
    ids=["product", "sum", "difference", "equal", "another operation", "floats", "constant"],
)
def test_only_int8_activations_of_lower_rank_are_reshaped(second: Stored, code: str, reshapes: int) -> None:
    graph = product(stored((1, 2, 3), SCALE, "a"), second, code)
    *before, last = equal_ranks(graph).operations
    assert [operation.code for operation in before] == ["RESHAPE"] * reshapes
    assert last.output is graph.operations[0].output
    if reshapes:
        assert (last.inputs[1], last.inputs[1].shape) == (before[0].output, (1, 1, 3))
        assert before[0].output.quantization == SCALE


def test_both_operands_may_be_reshaped_under_names_of_their_own() -> None:
    first, second, third = equal_ranks(product(stored((3,), SCALE, "a"), stored((2, 1), SCALE, "b"))).operations
    assert (first.output.name, second.output.name) == ("y/operand0", "y/operand1")
    assert [tensor.shape for tensor in third.inputs] == [(1, 1, 3), (1, 2, 1)]
