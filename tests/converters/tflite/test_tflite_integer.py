"""The integer-only profile: every operation's int8 form against PyTorch, on LiteRT's own kernels and behind XNNPACK."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from torch import Tensor, nn
from torch.export import ExportedProgram

from calib.methods import Method
from converters.contract import Precision
from converters.integer_io import with_integer_io
from converters.quantized_program import graph_module, quantize_program
from converters.tflite.flatbuffer import read_oldest_release
from converters.tflite.graph import DataType
from converters.tflite.lower import to_bytes, to_graph
from converters.tflite.runtime import LiteRTRunner
from evit_mobile.quantization import make_plan
from tests.lowering_helpers import METADATA, Apply, export

IMAGE = (1, 12, 8, 8)
KERNELS = (
    OpResolverType.BUILTIN,
    OpResolverType.BUILTIN_REF,
    OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
)


def tokens(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, C, N)."""
    return x.flatten(2)


def squares(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, 1, 1): far from zero."""
    vector = x.mean((2, 3))[:, None]
    return vector @ vector.transpose(1, 2)


MODELS: dict[str, nn.Module] = {
    "convolution": nn.Conv2d(12, 8, 3, padding=1),
    "grouped convolution": nn.Conv2d(12, 24, 1, groups=3),
    "softmax": Apply(lambda x: tokens(x).softmax(-1)),
    "softmax of channels": Apply(lambda x: tokens(x).softmax(1)),
    "scores": Apply(lambda x: tokens(x).transpose(1, 2) @ tokens(x)),
    "covariance": Apply(lambda x: tokens(x) @ tokens(x).transpose(1, 2)),
    "signed by positive": Apply(lambda x: tokens(x) @ torch.relu(tokens(x)).transpose(1, 2)),
    "windows": Apply(lambda x: torch.cat([x[:, :, :4], x[:, :, 4:]]).flatten(2).transpose(1, 2) @ x[:, :, :4].flatten(2)),
    "constant of another shape": Apply(lambda x, c: x + c, c=torch.randn(12, 1, 8)),
    "factor per channel": Apply(lambda x, c: x * c, c=torch.randn(1, 12, 1, 1)),
    "broadcast product": Apply(lambda x: x * x.mean((2, 3), keepdim=True)),
    "hard swish": nn.Hardswish(),
    "gelu": nn.GELU(approximate="tanh"),
    "sigmoid": nn.Sigmoid(),
    "relu that reads twice": Apply(lambda x: torch.relu(x) + x),
    "reciprocal root": Apply(lambda x: torch.rsqrt(squares(x).clamp_min(2.0**-60))),
    "clamp above zero": Apply(lambda x: x.clamp_min(0.7)),
    "mean": Apply(lambda x: x.mean((2, 3))),
}  # fmt: skip
CHAINED = {"scores": 1, "reciprocal root": 2, "constant of another shape": 1}
"""Quanta by which a rounding inside may differ, besides the last one."""
ROUNDS_TWICE = ("mean", "broadcast product")
"""LiteRT's own MEAN rounds 1/N as well, so more of its results are the neighbouring code."""


def integer_program(model: nn.Module, x: Tensor) -> ExportedProgram:
    program = export(model, x)
    plan = make_plan(program, [x], profile=Precision.INT8_FULL, method=Method.MIN_MAX)
    assert not plan.floats
    return quantize_program(program, plan)


def runner(content: bytes, kernels: OpResolverType) -> LiteRTRunner:
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return LiteRTRunner(interpreter)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_integer_only_and_agrees_within_a_quantum(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE) * 2
    program = integer_program(MODELS[name], x)
    whole = with_integer_io(program)
    assert {tensor.dtype for tensor in to_graph(whole, Precision.INT8_FULL).tensors()} <= {
        DataType.INT8,
        DataType.INT32,
    }
    content = to_bytes(whole, Precision.INT8_FULL, METADATA)
    expected = graph_module(program)(x).detach().numpy()
    *_, last = (node for node in program.graph.nodes if "quantize_per_tensor" in str(node.target))
    for kernels in KERNELS:
        quanta = np.abs(runner(content, kernels)(x.numpy()) - expected) / last.args[1]
        assert quanta.max() <= 1.01 + CHAINED.get(name, 0)
        on_the_edge = (quanta > 0.5).mean()
        assert on_the_edge < 0.05 or name in ROUNDS_TWICE, "results on the edge between two codes are few"


@pytest.mark.parametrize("name", ["scores", "covariance", "signed by positive", "windows"])
def test_the_second_factor_of_a_product_has_zero_point_0(name: str) -> None:
    x = torch.randn(IMAGE) + 0.3
    graph = to_graph(with_integer_io(integer_program(MODELS[name], x)), Precision.INT8_FULL)
    seconds = [operation.inputs[1] for operation in graph.operations if operation.code == "BATCH_MATMUL"]
    assert [second.quantization.zero_point for second in seconds if second and second.quantization] == [0]


def test_a_product_without_such_a_factor_is_not_written_in_int8() -> None:
    x = torch.randn(IMAGE)
    program = export(MODELS["scores"], x)
    plan = make_plan(program, [x], profile=Precision.INT8_FULL, method=Method.MIN_MAX)
    shifted = tuple(replace(item, zero_point=item.zero_point + 9) for item in plan.activations)
    graph = to_graph(quantize_program(program, replace(plan, activations=shifted)), Precision.INT8_FULL)
    (product,) = (operation for operation in graph.operations if operation.code == "BATCH_MATMUL")
    assert {tensor.dtype for tensor in (*product.inputs, product.output) if tensor} == {DataType.FLOAT32}


def test_float_input_and_output_cost_one_operation_each() -> None:
    x = torch.randn(IMAGE)
    program = integer_program(nn.Conv2d(12, 8, 1), x)
    graph = to_graph(program, Precision.INT8_FULL)
    assert [operation.code for operation in graph.operations] == ["QUANTIZE", "CONV_2D", "DEQUANTIZE"]
    graph = to_graph(with_integer_io(program), Precision.INT8_FULL)
    assert [operation.code for operation in graph.operations] == ["CONV_2D"]


def test_the_accuracy_first_profile_writes_none_of_it() -> None:
    x = torch.randn(IMAGE)
    program = integer_program(Apply(lambda x: F.hardswish(x).flatten(2).softmax(-1)), x)
    operations = to_graph(program, Precision.INT8).operations
    types = {operation.code: operation.output.dtype for operation in operations}
    assert types["SOFTMAX"] == types["HARD_SWISH"] == DataType.FLOAT32


def test_int8_weights_stay_one_partition_of_floats() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(12, 24, 3), nn.ReLU(), nn.Conv2d(24, 24, 3, groups=24), nn.Flatten(), nn.Linear(384, 4)
    )
    x = torch.randn(IMAGE)
    program = export(model, x)
    program = quantize_program(program, make_plan(program, [], profile=Precision.INT8_WEIGHTS))
    content = to_bytes(program, Precision.INT8_WEIGHTS, METADATA)
    expected = graph_module(program)(x).detach().numpy()
    loaded = runner(content, OpResolverType.BUILTIN)
    assert np.abs(loaded(x.numpy()) - expected).max() < 1e-5 * np.abs(expected).max()
    nodes = [node["op_name"] for node in loaded._interpreter._get_ops_details()]
    assert nodes.count("DELEGATE") == 1
    floats = len(to_bytes(export(model, x), Precision.FP32, METADATA))
    assert len(content) < 0.5 * floats


def test_weights_of_a_scale_each_channel_are_refused_by_runtimes_that_have_one_scale() -> None:
    """DEQUANTIZE has had scales per channel since version 5; an older kernel would take the first for all. LiteRT's GPU accelerator
    takes no version above 3, so that only files for CPUs have this guard; `min_runtime_version` is in all.
    """
    x = torch.randn(IMAGE)
    program = export(nn.Conv2d(12, 8, 1), x)
    program = quantize_program(program, make_plan(program, [], profile=Precision.INT8_WEIGHTS))
    for cpu_only, declared in ((True, 5), (False, 2)):
        content = to_bytes(program, Precision.INT8_WEIGHTS, METADATA, cpu_only=cpu_only)
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        codes = {code.builtinCode: code.version for code in model.operatorCodes}
        assert codes[schema.BuiltinOperator.DEQUANTIZE] == declared
        assert read_oldest_release(model) == "2.7.0"
