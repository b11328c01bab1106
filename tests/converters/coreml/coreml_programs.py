"""Small exported programs, int8 plans for them, and how to lower and run one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Interpreter, Node

from converters.contract import (
    ActivationQuantization,
    Artefact,
    Metadata,
    Precision,
    QuantPlan,
    WeightQuantization,
)
from converters.coreml.evaluator import Evaluator
from converters.coreml.lower import lower
from converters.coreml.options import Options
from converters.interface import Function
from converters.quantized_program import graph_module

torch.set_num_threads(1)

METADATA = Metadata(description="a test program")
aten = torch.ops.aten
CODE_SPAN = 255


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """A module with the same weights whatever ran before."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


class Lambda(nn.Module):
    """A function of the image and of fixed tensors, which become buffers."""

    def __init__(self, function: Callable[..., Tensor], *tensors: Tensor) -> None:
        super().__init__()
        self.function = function
        for index, tensor in enumerate(tensors):
            self.register_buffer(f"tensor{index}", tensor)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.buffers())


def export(module: nn.Module, x: Tensor) -> ExportedProgram:
    return torch.export.export(module.eval(), (x,))


def write(
    program: ExportedProgram, path: Path, precision: Precision = Precision.FP16, *, minimum_ios: int | None = None
) -> Artefact:
    return lower([Function(program=program)], precision, path, METADATA, Options(release=minimum_ios))


def evaluate(program: ExportedProgram, x: Tensor, path: Path, precision: Precision) -> np.ndarray:
    """Output of the written bytes of `program` on `x`."""
    write(program, path, precision)
    return Evaluator(path)(x.numpy())


def sqnr_db(reference: np.ndarray, other: np.ndarray) -> float:
    """Signal-to-error ratio in dB, capped at 200."""
    error = np.square(reference.astype(np.float64) - other).sum()
    return float(10 * np.log10(np.square(reference.astype(np.float64)).sum() / max(error, 1e-20)))


class Ranges(Interpreter):
    """Least and greatest value of every tensor of a graph, zero included."""

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__(graph_module(program))
        self.found: dict[str, tuple[float, float]] = {}

    def run_node(self, n: Node) -> object:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.found[n.name] = (min(float(value.min()), 0.0), max(float(value.max()), 0.0))
        return value


INT8 = {aten.conv2d.default, aten.linear.default, aten.relu.default, aten.add.Tensor, aten.matmul.default}


@torch.no_grad()
def plan(program: ExportedProgram, x: Tensor, operators: set[object] = INT8) -> QuantPlan:
    """int8 for the image, for results of `operators` (after a fused relu) and for convolution and linear weights."""
    ranges = Ranges(program)
    ranges.run(x)
    activations, weights = [], []
    for node in ranges.module.graph.nodes:
        users = list(node.users)
        fused = len(users) == 1 and users[0].target is aten.relu.default
        if node.op == "placeholder" or (node.target in operators and not fused):
            low, high = ranges.found[node.name]
            scale = max(high - low, 1e-6) / CODE_SPAN
            zero_point = round(-128 - low / scale)
            activations.append(ActivationQuantization(tensor=node.name, module="", scale=scale, zero_point=zero_point))
        if node.target in (aten.conv2d.default, aten.linear.default):
            name = str(node.args[1].target)
            weight = ranges.module.get_parameter(name)
            scales = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-6) / 127
            weights.append(WeightQuantization(tensor=name, module="", scales=tuple(scales.tolist())))
    return QuantPlan(activations=tuple(activations), weights=tuple(weights), floats=())


class Attention(nn.Module):
    """One softmax head: q, k from convolutions as (1, K, N), v as (1, V, N), a constant (N, N) bias."""

    def __init__(self, channels: int, key: int, tokens: int) -> None:
        super().__init__()
        self.q, self.k = nn.Conv2d(channels, key, 1), nn.Conv2d(channels, key, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.register_buffer("bias", torch.randn(tokens, tokens))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).flatten(2) for layer in (self.q, self.k, self.v))
        attention = (q.transpose(1, 2) @ k + self.bias).softmax(-1)
        return (v @ attention.transpose(1, 2)).view(x.shape)


class LinearAttention(nn.Module):
    """ReLU linear attention on (1, h, D, N) views, the divisor from a mean over tokens."""

    def __init__(self, heads: int, dim: int) -> None:
        super().__init__()
        self.heads, self.dim = heads, dim
        self.q, self.k, self.v = (nn.Conv2d(heads * dim, heads * dim, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).view(1, self.heads, self.dim, -1) for layer in (self.q, self.k, self.v))
        q, k = q.relu(), k.relu()
        numerator = (v @ k.transpose(2, 3)) @ q
        divisor = k.sum(3, keepdim=True).transpose(2, 3) @ q
        return (numerator / (divisor + 1e-3)).view(x.shape)


class FeedForward(nn.Module):
    """Depthwise residual, then an expanding feed-forward network with a residual: (1, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dw = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pw1 = nn.Conv2d(channels, 2 * channels, 1)
        self.pw2 = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dw(x)
        return x + self.pw2(self.pw1(x).relu())


class SqueezeExcite(nn.Module):
    """Channel gate from the spatial mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Windows(nn.Module):
    """Four windows along the batch axis and back, with zero padding at the far edges: (1, C, 5, 5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, (0, 1, 0, 1))
        top, bottom = x[:, :, :3], x[:, :, 3:]
        y = self.inner(torch.cat([top[..., :3], top[..., 3:], bottom[..., :3], bottom[..., 3:]]))
        rows = [torch.cat([y[0:1], y[1:2]], 3), torch.cat([y[2:3], y[3:4]], 3)]
        return torch.cat(rows, 2)[:, :, :5, :5]


class Head(nn.Module):
    """Mean, linear, layer norm, activation, linear: (1, C, H, W) -> (1, 10)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(channels, 16), nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(nn.functional.hardswish(self.norm(self.fc1(x.mean((2, 3))))))
