"""Every operator of the table against PyTorch, in LiteRT itself: fp32, fp16 and int8."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lowering_helpers import SIGMOID, Apply, export, heads, partition_windows, quantize, relative_error, tokens
from tflite_helpers import content, partitions, run
from torch import Tensor, nn

from converters.contract import Precision
from converters.quantized_program import graph_module

IMAGE = (1, 12, 8, 8)
FP32_TOLERANCE = 1e-5  # relative to the largest output
FP16_TOLERANCE = 2e-3


MODELS: dict[str, nn.Module] = {
    "conv 1x1": nn.Conv2d(12, 16, 1),
    "conv without bias": nn.Conv2d(12, 16, 3, padding=1, bias=False),
    "conv stride 2, explicit pad": nn.Conv2d(12, 16, 3, 2, 1),
    "conv dilated": nn.Conv2d(12, 8, 3, padding=2, dilation=2),
    "conv uneven": nn.Conv2d(12, 8, (3, 1), (2, 1), (1, 0)),
    "conv grouped": nn.Conv2d(12, 24, 1, groups=3),
    "conv valid": nn.Conv2d(12, 8, 3),
    "depthwise": nn.Conv2d(12, 12, 5, padding=2, groups=12),
    "depthwise stride 2": nn.Conv2d(12, 12, 3, 2, 1, groups=12),
    "depthwise multiplier": nn.Conv2d(12, 24, 3, padding=1, groups=12),
    "conv relu": nn.Sequential(nn.Conv2d(12, 8, 1), nn.ReLU()),
    "conv relu6": nn.Sequential(nn.Conv2d(12, 8, 1), nn.ReLU6()),
    "linear": Apply(lambda x, f: f(x.mean((2, 3))), f=nn.Linear(12, 5)),
    "linear on tokens": Apply(lambda x, f: f(tokens(x).transpose(1, 2)), f=nn.Linear(12, 5)),
    "linear across tokens": Apply(lambda x, f: f(tokens(x)), f=nn.Linear(64, 5)),
    "add": Apply(lambda x, f: x + f(x), f=nn.Conv2d(12, 12, 1)),
    "add broadcast": Apply(lambda x, f: x + f(x.mean((2, 3), keepdim=True)), f=nn.Conv2d(12, 12, 1)),
    "add constant": Apply(lambda x, c: x + c, c=torch.randn(12, 1, 8)),
    "add of a higher rank": Apply(lambda x, c: x.mean((0, 2, 3)) + c, c=torch.randn(1, 1)),
    "add number, relu6": Apply(lambda x: F.relu6(x + 3)),
    "sub": Apply(lambda x: x - x.mean(1, keepdim=True)),
    "reversed sub": Apply(lambda x: 2 - x),
    "mul": Apply(lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "div": Apply(lambda x: x / (x * x + 1)),
    "div by number": Apply(lambda x: x / 6),
    "relu": Apply(lambda x: torch.relu(x)),
    "relu6": Apply(lambda x: F.relu6(x * 5)),
    "clamp": Apply(lambda x: x.clamp(-0.5, 0.75)),
    "clamp below": Apply(lambda x: x.clamp_min(-0.5)),
    "hardswish": nn.Hardswish(),
    "gelu tanh": nn.GELU(approximate="tanh"),
    "gelu": nn.GELU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "exp, neg, abs": Apply(lambda x: torch.exp(-torch.abs(x))),
    "powers": Apply(lambda x: (x.pow(2) + 1).pow(-0.5) + (x.pow(2) + 1).sqrt() + (x.pow(2) + 1).rsqrt()),
    "maximum, minimum": Apply(lambda x: torch.maximum(x, x * 2) + torch.minimum(x, -x)),
    "softmax over tokens": Apply(lambda x: tokens(x).softmax(-1)),
    "softmax over channels": Apply(lambda x: x.softmax(1)),
    "mean": Apply(lambda x: x.mean((2, 3))),
    "mean keepdim": Apply(lambda x: x.mean((2, 3), keepdim=True)),
    "mean of channels": Apply(lambda x: x.mean(1)),
    "sum": Apply(lambda x: tokens(x).sum(2, keepdim=True)),
    "layer norm": Apply(lambda x, f: f(x.mean((2, 3))), f=nn.LayerNorm(12)),
    "layer norm of tokens": Apply(lambda x, f: f(tokens(x).transpose(1, 2)), f=nn.LayerNorm(12)),
    "layer norm bare": Apply(lambda x, f: f(x.mean((2, 3))), f=nn.LayerNorm(12, elementwise_affine=False)),
    "cat channels": Apply(lambda x: torch.cat([x, x * 1.7], 1)),
    "cat batch": Apply(lambda x: torch.cat([x[:, :, :4], x[:, :, 4:]], 0).mean((2, 3))),
    "cat of seven": Apply(lambda x: torch.cat([x + i for i in range(7)], 1)),
    "cat of tokens": Apply(lambda x: torch.cat([tokens(x), tokens(x) * 2], 1).view(1, 24, 8, 8)),
    "slice": Apply(lambda x: x[:, 2:7, 1:-1]),
    "slice all": Apply(lambda x: x[:, :12] + 1),
    "chunk": Apply(lambda x: x.chunk(3, 1)[2] + x.chunk(3, 1)[0]),
    "split": Apply(lambda x: x.split([2, 6, 4], 1)[1]),
    "select": Apply(lambda x: heads(x)[:, 1]),
    "pad": Apply(lambda x: F.pad(x, (0, 3, 1, 0))),
    "view, permute": Apply(lambda x: heads(x).permute(0, 2, 3, 1).reshape(1, 4, -1)),
    "windows": Apply(partition_windows),
    "unsqueeze, squeeze": Apply(lambda x: (x.unsqueeze(1) * 2).squeeze(1)),
    "merge apart": Apply(lambda x: x.permute(0, 3, 1, 2).reshape(1, 96, 8)),
    "scores": Apply(lambda x: tokens(x).transpose(1, 2) @ tokens(x)),
    "covariance": Apply(lambda x: tokens(x) @ tokens(x).transpose(1, 2)),
    "head covariance": Apply(lambda x: heads(x) @ heads(x).transpose(2, 3)),
    "values": Apply(lambda x: tokens(x) @ (tokens(x).transpose(1, 2) @ tokens(x)).softmax(-1).transpose(1, 2)),
    "matmul with a matrix": Apply(lambda x, c: tokens(x).transpose(1, 2) @ c, c=torch.randn(12, 7)),
    "matrix times values": Apply(lambda x, c: c @ tokens(x), c=torch.randn(1, 7, 12)),
    "bmm": Apply(lambda x: torch.bmm(x[0], x[0].transpose(1, 2))),
    "folded index": Apply(lambda x, c: x + c[torch.arange(12) // 2].view(1, 12, 1, 1), c=torch.randn(6)),
    "dropout": nn.Sequential(nn.Conv2d(12, 4, 1), nn.Dropout(0.5), nn.Identity()),
}


@pytest.mark.parametrize("name", MODELS)
def test_fp32_agrees_and_is_one_partition(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    file = content(export(MODELS[name], x))
    assert relative_error(run(file, x), MODELS[name](x)) < FP32_TOLERANCE
    assert partitions(file) == 1


@pytest.mark.parametrize("name", ["conv stride 2, explicit pad", "depthwise", "linear", "add constant", "layer norm"])
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
        "conv 1x1", "conv without bias", "conv stride 2, explicit pad", "conv dilated", "conv grouped", "conv valid",
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
