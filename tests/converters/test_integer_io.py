"""A quantized program without the conversions at its borders gives the codes of what it gave."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.integer_io import with_integer_io
from converters.quantized_program import graph_module
from tests.lowering_helpers import export, quantize

IMAGE = (1, 12, 6, 6)


def test_integer_io_needs_a_program_that_is_int8_at_its_borders() -> None:
    x = torch.randn(IMAGE)
    with pytest.raises(ValueError, match="input"):
        with_integer_io(export(nn.Conv2d(12, 8, 1), x))


def test_an_output_that_stays_float_is_refused() -> None:
    x = torch.randn(IMAGE)
    program = quantize(export(nn.Sequential(nn.Conv2d(12, 8, 1), nn.Softmax(1)), x), x, floats=("aten.softmax.int",))
    with pytest.raises(ValueError, match="the output is not quantized"):
        with_integer_io(program)


def test_codes_in_codes_out() -> None:
    x = torch.randn(IMAGE, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    program = quantize(export(nn.Conv2d(12, 8, 1), x), x)
    whole = with_integer_io(program)
    (first, *_, last) = (
        node for node in graph_module(program).graph.nodes if "quantize_per_tensor" in str(node.target)
    )
    assert (first.args[1], last.args[1]) != (1.0, 1.0)
    codes = ((x / first.args[1]).round() + first.args[2]).clamp(-128, 127).to(torch.int8)
    found = whole.module()(codes)
    assert found.dtype is torch.int8
    restored = (found.to(torch.float32) - last.args[2]) * last.args[1]
    torch.testing.assert_close(restored, program.module()(x))
    nodes = {node.name: node for node in whole.graph.nodes}
    for name in (*whole.graph_signature.user_inputs, *whole.graph_signature.user_outputs):
        assert nodes[str(name)].meta["val"].dtype is torch.int8
    (example,), _ = whole.example_inputs
    assert (example.dtype, example.shape) == (torch.int8, IMAGE)
    assert whole.graph_signature.user_inputs == program.graph_signature.user_inputs
