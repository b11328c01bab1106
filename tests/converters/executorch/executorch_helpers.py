"""What the ExecuTorch tests share: small programs, a plain quantization plan, and running bytes in ExecuTorch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import ActivationQuantization, Metadata, Precision, QuantPlan, WeightQuantization
from converters.executorch.quiet import quiet_toolchain
from converters.executorch.target import ExecuTorchTarget
from converters.quantized_program import graph_module, quantize_program

with quiet_toolchain():
    from converters.executorch.container import open_container
    from converters.executorch.delegate import StoredGraph
    from converters.executorch.lower import to_bytes, to_graph
    from converters.executorch.runtime import make_runner

torch.set_num_threads(1)
METADATA = Metadata(description="a test model")
WEIGHTED = ("aten.conv2d.default", "aten.linear.default")
ABSORBING = (*WEIGHTED, "aten.add.Tensor", "aten.mul.Tensor")
CLAMPS = ("aten.relu.default", "aten.relu6.default", "aten.hardtanh.default")
KEEPS_SCALE = (
    "aten.slice.Tensor",
    "aten.view.default",
    "aten.permute.default",
    "aten.pad.default",
    "aten.flatten.using_ints",
)


class Apply(nn.Module):
    """A module around a function of the input; keyword arguments become submodules or buffers."""

    def __init__(self, function: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        self.function = function
        self.names = tuple(parts)
        for name, part in parts.items():
            if isinstance(part, Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *(getattr(self, name) for name in self.names))


def export(model: nn.Module, x: Tensor) -> ExportedProgram:
    return torch.export.export(model.eval().requires_grad_(False), (x,))


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point that cover low..high and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max(high - low, 1e-6) / 255))
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def quantize(program: ExportedProgram, x: Tensor, *, floats: tuple[str, ...] = ()) -> ExportedProgram:
    """`program` with every tensor quantized by its range on `x`, but for the results of operators in `floats`.

    A clamp behind a single reader shares the tensor with what it clamps; data movement keeps its input's parameters.
    """
    module = graph_module(program)
    values: dict[Node, Tensor] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: Node) -> Any:
            values[n] = super().run_node(n)
            return values[n]

    Recorder(module).run(x)
    parameters: dict[Node, tuple[float, int]] = {}
    for node, value in values.items():
        kind, users = str(node.target), list(node.users)
        if node.op not in ("placeholder", "call_function") or kind in floats or not isinstance(value, Tensor):
            continue
        if kind in ABSORBING and len(users) == 1 and str(users[0].target) in CLAMPS:
            continue
        source = node.args[0] if node.args else None
        if kind in KEEPS_SCALE and isinstance(source, Node) and source in parameters:
            parameters[node] = parameters[source]
        else:
            parameters[node] = affine(float(value.min()), float(value.max()))
    weights = [node.args[1] for node in values if str(node.target) in WEIGHTED]
    plan = QuantPlan(
        activations=tuple(
            ActivationQuantization(tensor=node.name, module="", scale=scale, zero_point=zero_point)
            for node, (scale, zero_point) in parameters.items()
        ),
        weights=tuple(_weight(module, node) for node in weights if isinstance(node, Node)),
        floats=(),
    )
    return quantize_program(program, plan)


def _weight(module: torch.fx.GraphModule, node: Node) -> WeightQuantization:
    weight = module.get_parameter(str(node.target))
    scales = (weight.detach().flatten(1).abs().amax(1) / 127).clamp_min(1e-9)
    return WeightQuantization(tensor=str(node.target), module="", scales=tuple(scales.tolist()))


def content(program: ExportedProgram, precision: Precision = Precision.FP32) -> bytes:
    return to_bytes(program, precision, METADATA)


def run(file: bytes, x: Tensor) -> np.ndarray:
    return make_runner(file)(x.numpy())


def graph(file: bytes) -> StoredGraph:
    """The graph of the file's only delegate."""
    (only,) = open_container(file).graphs
    return only


def kinds(file: bytes) -> Counter[str]:
    return Counter(node.kind for node in graph(file).nodes)


def int8_kinds(file: bytes) -> Counter[str]:
    """Operations that write int8."""
    stored = graph(file)
    return Counter(node.kind for node in stored.nodes if stored.values[node.output].dtype == "qint8")


def relative_error(actual: np.ndarray, expected: Tensor) -> float:
    reference = expected.detach().numpy()
    assert actual.shape == reference.shape
    return float(np.abs(actual - reference).max() / max(np.abs(reference).max(), 1e-9))


def write(folder: Path, file: bytes) -> Path:
    path = folder / "model.pte"
    path.write_bytes(file)
    return path


__all__ = [
    "METADATA",
    "Apply",
    "ExecuTorchTarget",
    "content",
    "export",
    "graph",
    "int8_kinds",
    "kinds",
    "quantize",
    "relative_error",
    "run",
    "to_graph",
    "write",
]
