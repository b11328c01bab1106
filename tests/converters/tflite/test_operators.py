"""Every operator of the table against PyTorch, in LiteRT itself: fp32, fp16 and int8."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.contract import Precision
from converters.quantized_program import graph_module
from tests.converters.tflite.tflite_helpers import content, partitions, run
from tests.lowering_helpers import SIGMOID, Apply, export, quantize, relative_error
from tests.lowering_models import IMAGE, MODELS, tokens

FP32_TOLERANCE = 1e-5  # relative to the largest output
FP16_TOLERANCE = 2e-3


@pytest.mark.parametrize("name", MODELS)
def test_fp32_agrees_and_is_one_partition(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    file = content(export(MODELS[name], x))
    assert relative_error(run(file, x), MODELS[name](x)) < FP32_TOLERANCE
    assert partitions(file) == 1


@pytest.mark.parametrize("name", ["conv stride 2", "depthwise", "linear", "add constant", "layer norm"])
def test_fp16_stores_half_the_bytes_and_agrees(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    program = export(MODELS[name], x)
    file = content(program, Precision.FP16)
    error = relative_error(run(file, x), MODELS[name](x))
    assert 0 < error < FP16_TOLERANCE, "an error of 0 would mean that no weight is half precision"
    assert partitions(file) == 1


def test_fp16_files_are_half_as_large() -> None:
    x = torch.randn(1, 64, 4, 4)
    program = export(nn.Conv2d(64, 256, 3), x)
    assert len(content(program, Precision.FP16)) < 0.52 * len(content(program))


# int8: input -> quantize -> the operation -> quantize -> output, against the same graph in PyTorch

INT8_MODELS: dict[str, nn.Module] = {
    name: MODELS[name]
    for name in (
        "conv 1x1", "conv without bias", "conv stride 2", "conv dilated", "conv grouped", "conv valid",
        "depthwise", "depthwise stride 2", "depthwise multiplier", "conv relu", "conv relu6", "add constant", "relu",
        "hardswish", "gelu tanh", "sigmoid", "mean", "mean keepdim", "cat channels", "slice", "slice all", "pad",
        "add number, relu6", "view, permute",
    )
}  # fmt: skip
INT8_MODELS |= {
    "linear": Apply(lambda x, f: f(x.flatten(2)), f=nn.Linear(64, 5)),
    "add itself": Apply(lambda x: x + x),
    "mul itself": Apply(lambda x: x * x),
    "mul by number": Apply(lambda x: x * 0.3),
    "add zero": Apply(lambda x: x + 0.0),
    "sub": Apply(lambda x: 1.5 - x),
    "softmax": Apply(lambda x: x.softmax(1)),
    "sum": Apply(lambda x: x.sum(1, keepdim=True)),
    "covariance": Apply(lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2)),
    "cat of different scales": Apply(lambda x: torch.cat([x, x * x], 1)),
    "relu that reads twice": Apply(lambda x: torch.cat([torch.relu(x), x], 1)),
}


@pytest.mark.parametrize("name", INT8_MODELS)
def test_int8_agrees_within_one_quantum(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE) * 2
    program = quantize(export(INT8_MODELS[name], x), x)
    file = content(program, Precision.INT8)
    expected = graph_module(program)(x)
    *_, last = (node for node in program.graph.nodes if "quantize_per_tensor" in str(node.target))
    scale = last.args[1]
    chained = name in ("covariance", "cat channels", "cat of different scales")  # two roundings, one behind the other
    quanta = np.abs(run(file, x) - expected.numpy()) / scale
    assert quanta.max() <= (2.01 if chained else 1.01)
    assert (quanta > 0.5).mean() < (0.05 if chained else 0.01), "results on the edge between two codes are few"
    assert partitions(file) == 1


@pytest.mark.parametrize("stays", ["aten.softmax.int", "aten.matmul.default", SIGMOID])
def test_a_float_island_inside_int8(stays: str) -> None:
    torch.manual_seed(0)

    def function(x: Tensor, before: nn.Module, after: nn.Module) -> Tensor:
        scores = (tokens(x).transpose(1, 2) @ tokens(x)).softmax(-1)
        out: Tensor = after(torch.sigmoid(before(x) * scores.sum(1).view(1, 1, 8, 8)))
        return out

    model = Apply(function, before=nn.Conv2d(12, 12, 1), after=nn.Conv2d(12, 4, 1))
    x = torch.randn(IMAGE)
    floats = tuple({"aten.softmax.int", "aten.matmul.default", stays})
    program = quantize(export(model, x), x, floats=floats)
    file = content(program, Precision.INT8)
    expected = graph_module(program)(x)
    assert relative_error(run(file, x), expected) < 0.03
    assert partitions(file) == 1


@st.composite
def chains(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...]]]:
    """Steps that a random program takes on an image (1, 4, 6, 6); shapes are followed with a meta tensor."""
    x = torch.empty(1, 4, 6, 6, device="meta")
    steps: list[tuple[str, tuple[int, ...]]] = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["permute", "view", "gram", "apply"]))
        if kind == "permute":
            steps.append(("permute", tuple(draw(st.permutations(range(x.ndim))))))
        elif kind == "view":
            primes = draw(st.permutations([2, 2, 2, 2, 3, 3])) if x.numel() == 144 else [x.numel()]
            cut = draw(st.integers(0, len(primes)))
            steps.append(("view", (1, int(np.prod(primes[:cut])), int(np.prod(primes[cut:])))))
        elif kind == "gram" and x.ndim >= 2:
            steps.append(("gram", ()))
        else:
            steps.append(("apply", ()))
        x = take(x, *steps[-1])
    return steps


def take(x: Tensor, kind: str, argument: tuple[int, ...]) -> Tensor:
    if kind == "permute":
        return x.permute(argument)
    if kind == "view":
        return x.reshape(argument)
    if kind == "gram":
        return (x @ x.transpose(-1, -2)) / 8
    return torch.tanh(x)


@settings(max_examples=40)
@given(chains())
def test_random_chains_of_views_permutes_and_matmuls_agree(steps: list[tuple[str, tuple[int, ...]]]) -> None:
    def function(x: Tensor) -> Tensor:
        for step in steps:
            x = take(x, *step)
        return x + 1  # so that a chain that only renames dimensions is a program

    torch.manual_seed(0)
    x = torch.randn(1, 4, 6, 6)
    model = Apply(function)
    file = content(export(model, x))
    assert relative_error(run(file, x), model(x)) < FP32_TOLERANCE
    assert partitions(file) == 1
