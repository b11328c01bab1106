"""Programs as Core AI's converter takes them. Skipped without Apple's wheel, which registers its operators."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

pytest.importorskip("coreai_torch", reason="Apple's wheel registers the operators of its quantization")

from converters.contract import FloatType
from converters.coreai.palettes import is_palette
from converters.coreai.prepared import prepared
from converters.coreai.quantization import is_quantization
from tests.lowering_helpers import export, quantize

X = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def program_of() -> ExportedProgram:
    torch.manual_seed(0)
    return export(nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1)), X)


def dtypes(program: ExportedProgram) -> set[torch.dtype]:
    return {node.meta["val"].dtype for node in program.graph.nodes if "conv2d" in str(node.target)}


def test_fp32_is_left_as_it_is() -> None:
    program = program_of()
    ready = prepared(program, FloatType.FP32, ())
    assert dtypes(ready) == {torch.float32}
    assert torch.equal(ready.module()(X), program.module()(X))


def test_fp16_is_inside_and_islands_are_not() -> None:
    program = program_of()
    ready = prepared(program, FloatType.FP16, ())
    assert dtypes(ready) == {torch.float16}
    assert ready.module()(X).dtype is torch.float32
    torch.testing.assert_close(ready.module()(X), program.module()(X), rtol=1e-2, atol=1e-3)
    assert dtypes(prepared(program, FloatType.FP16, ("conv2d",))) == {torch.float32, torch.float16}


def test_larger_weights_are_looked_up() -> None:
    torch.manual_seed(0)
    program = export(nn.Conv2d(4, 64, 3), X)
    ready = prepared(program, FloatType.FP16, (), palette_bits=6)
    assert [node.meta["val"].dtype for node in ready.graph.nodes if is_palette(node)] == [torch.float16]
    torch.testing.assert_close(ready.module()(X), program.module()(X), rtol=5e-2, atol=5e-2)


def test_quantized_programs_have_core_ai_s_nodes() -> None:
    program = quantize(program_of(), X)
    ready = prepared(program, FloatType.FP32, ())
    assert any(is_quantization(node) for node in ready.graph.nodes)
    torch.testing.assert_close(ready.module()(X), program.module()(X))
