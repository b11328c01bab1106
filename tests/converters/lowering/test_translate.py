"""The walk over a program: what is constant is computed, what is live is written, what has no form is an error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx import Node

from converters.errors import ToolchainError
from converters.lowering.operators import SHARED
from converters.lowering.translate import folded, output_value, translate
from converters.lowering.values import Constant, Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, logical, value_of
from tests.lowering_nodes import Nodes

X = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0))


class Function(nn.Module):
    def __init__(self, function: Callable[..., object], *constants: Tensor) -> None:
        super().__init__()
        self.function, self.count = function, len(constants)
        for number, constant in enumerate(constants):
            self.register_buffer(f"c{number}", constant)

    def forward(self, x: Tensor) -> object:
        return self.function(x, *(getattr(self, f"c{number}") for number in range(self.count)))


def lowered(function: Callable[..., object], *constants: Tensor) -> tuple[np.ndarray, NumpyEmitter]:
    """What the lowered program gives for X."""
    emitter = NumpyEmitter()
    results = []

    def add_input(emitter: NumpyEmitter, node: Node) -> None:
        emitter.bind(node, value_of(X))

    def add_output(emitter: NumpyEmitter, node: Node) -> None:
        results.append(logical(output_value(emitter, node)))

    program = torch.export.export(Function(function, *constants), (X,))
    translate(program, emitter, SHARED, add_input, add_output)
    return results[0], emitter


def test_constants_are_computed_and_the_rest_is_written() -> None:
    table = torch.tensor([1.0, 2.0])

    def function(x: Tensor, table: Tensor) -> Tensor:
        torch.sigmoid(x)  # which no table has, and nobody reads
        return (x + table[torch.arange(4) // 2].view(1, 4, 1, 1)).flatten(2).softmax(-1)

    result, emitter = lowered(function, table)
    np.testing.assert_allclose(result, function(X, table), rtol=1e-5)
    assert emitter.written == ["ADD", "RESHAPE", "TRANSPOSE", "SOFTMAX"]


def test_what_is_fused_is_not_written_again() -> None:
    result, emitter = lowered(lambda x: torch.relu(x + 1))
    np.testing.assert_allclose(result, torch.relu(X + 1), rtol=1e-5)
    assert emitter.written == ["ADD"]


def test_an_operator_that_the_table_lacks_is_named() -> None:
    with pytest.raises(ToolchainError, match=r"aten\.cumsum\.default.*rewrite the model without it, or add it"):
        lowered(lambda x: torch.cumsum(x, 1))


@pytest.mark.parametrize(
    ("function", "said"),
    [(lambda x: (x + 1, x + 2), "2 outputs"), (lambda _x: torch.ones(3) * 2, "1 outputs or a constant one")],
    ids=["two", "constant"],
)
def test_a_program_has_one_output_that_depends_on_its_input(function: Callable[..., object], said: str) -> None:
    with pytest.raises(ToolchainError, match=f"{said}.*return a single tensor"):
        lowered(function)


CODES = torch.tensor([[4, -8], [2, 6]], dtype=torch.int8)
SCALES = torch.tensor([0.5, 0.25])


def per_channel(nodes: Nodes, zero_points: Tensor | None, codes: Tensor = CODES) -> tuple[Node, dict[Node, Tensor]]:
    """The dequantize of a weight, and what is known before it."""
    source, scales = nodes.given(codes, "codes"), nodes.given(SCALES, "scales")
    known = {source: codes, scales: SCALES}
    zeros = None
    if zero_points is not None:
        zeros = nodes.given(zero_points, "zeros")
        known[zeros] = zero_points
    limits = (-32768, 32767) if codes.dtype is torch.int16 else (-128, 127)
    operator = "quantized_decomposed.dequantize_per_channel.default"
    node = nodes.call(operator, source, scales, zeros, 0, *limits, codes.dtype)
    return node, {**known, node: node.meta["val"]}


@pytest.mark.parametrize("zero_points", [None, torch.zeros(2, dtype=torch.int64)])
def test_a_weight_keeps_its_codes(zero_points: Tensor | None) -> None:
    constant = folded(*per_channel(Nodes(), zero_points))
    assert constant.value.tolist() == [[2.0, -4.0], [0.5, 1.5]]
    assert constant.codes is not None
    assert constant.codes.tolist() == CODES.tolist()
    assert constant.quantization == Quantization(scales=(0.5, 0.25), axis=0)


def test_a_constant_of_one_scale_keeps_its_codes_too() -> None:
    nodes = Nodes()
    source = nodes.given(CODES, "codes")
    node = nodes.dequantize(source, 0.5, 2)
    constant = folded(node, {source: CODES, node: node.meta["val"]})
    assert constant.value.tolist() == [[1.0, -5.0], [0.0, 2.0]]
    assert constant.codes is CODES
    assert constant.quantization == Quantization(scales=(0.5,), zero_point=2)


def test_another_constant_is_its_value() -> None:
    nodes = Nodes()
    node = nodes.call("aten.abs.default", nodes.given(X))
    constant = folded(node, {node: X.abs()})
    assert isinstance(constant, Constant)
    assert (constant.codes, constant.quantization) == (None, None)


def test_weights_with_zero_points_and_wide_codes_are_refused() -> None:
    with pytest.raises(ToolchainError, match=r"zero points other than 0.*quantize weights symmetrically"):
        folded(*per_channel(Nodes(), torch.tensor([0, 1])))
    with pytest.raises(ToolchainError, match=r"codes of torch\.int16.*quantize weights to int8 or fewer bits"):
        folded(*per_channel(Nodes(), None, CODES.to(torch.int16)))
