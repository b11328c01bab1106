"""Quantize and dequantize nodes in Core AI's form; what needs its operators is skipped without Apple's wheel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.coreai.quantization import constant, is_quantization, name_as_core_ai
from converters.quantized_program import graph_module
from tests.lowering_helpers import Apply, export, quantize

X = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def test_equal_constants_are_shared_under_a_name_that_python_takes() -> None:
    module = graph_module(export(Apply(torch.relu), X))
    with module.graph.inserting_before(next(iter(module.graph.nodes))):
        first, second = (constant(module, "scale_0x1.8p-3", torch.tensor(0.1875)) for _ in range(2))
        other = constant(module, "a.b_spread", torch.ones(2))
    assert first.target == second.target == "scale_0x1_8p_3"
    assert {name: buffer.tolist() for name, buffer in module.named_buffers()} == {
        "scale_0x1_8p_3": 0.1875,
        "a_b_spread": [1.0, 1.0],
    }
    assert other.target == "a_b_spread"


def test_pytorch_s_own_pairs_are_not_yet_in_that_form() -> None:
    program = quantize(export(Apply(torch.relu), X), X)
    assert not any(is_quantization(node) for node in graph_module(program).graph.nodes)


def test_the_form_is_the_same_function() -> None:
    pytest.importorskip("coreai_torch", reason="Apple's wheel registers the operators")
    torch.manual_seed(0)
    program = quantize(export(nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU()), X), X)
    module = graph_module(program)
    name_as_core_ai(module)
    module.graph.lint()
    module.recompile()
    kinds = [str(node.target) for node in module.graph.nodes if is_quantization(node)]
    assert kinds.count("coreai.quantize.default") == kinds.count("coreai.dequantize.default") == 2
    assert kinds.count("coreai.constexpr_blockwise_shift_scale.default") == 1
    assert not any("quantized_decomposed" in str(node.target) for node in module.graph.nodes)
    torch.testing.assert_close(module(X), program.module()(X))
