"""What the TFLite tests share: small programs, a plain quantization plan, and running bytes in LiteRT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import ActivationQuantization, Metadata, Precision, QuantPlan, WeightQuantization
from converters.quantized_program import graph_module, quantize_program
from converters.tflite.graph import Graph
from converters.tflite.lower import to_bytes, to_graph

torch.set_num_threads(1)
METADATA = Metadata(description="a test model")
WEIGHTED = ("aten.conv2d.default", "aten.linear.default")
CLAMPS = ("aten.relu.default", "aten.relu6.default", "aten.hardtanh.default")
SIGMOID = "aten.sigmoid.default"
KEEPS_SCALE = (
    "aten.slice.Tensor",
    "aten.view.default",
    "aten.permute.default",
    "aten.pad.default",
    "aten.flatten.using_ints",
)


class Apply(nn.Module):
    """A module around a function of the input; keyword arguments become submodules, buffers or attributes."""

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
        kind = str(node.target)
        if node.op not in ("placeholder", "call_function") or kind in floats or not isinstance(value, Tensor):
            continue
        users = list(node.users)
        if len(users) == 1 and str(users[0].target) in CLAMPS and node.op == "call_function":
            continue
        source = node.args[0] if node.args else None
        if kind in KEEPS_SCALE and isinstance(source, Node) and source in parameters:
            parameters[node] = parameters[source]
        elif kind == SIGMOID:
            parameters[node] = (1 / 256, -128)
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


def interpreter(file: bytes) -> Any:
    loaded = Interpreter(model_content=file, num_threads=1)
    loaded.allocate_tensors()
    return loaded


def run(file: bytes, x: Tensor) -> np.ndarray:
    """Output in PyTorch's order of dimensions."""
    loaded = interpreter(file)
    stored = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
    loaded.set_tensor(loaded.get_input_details()[0]["index"], stored.contiguous().numpy())
    loaded.invoke()
    output: np.ndarray = loaded.get_tensor(loaded.get_output_details()[0]["index"])
    return output.transpose(0, 3, 1, 2) if output.ndim == 4 else output


def partitions(file: bytes) -> int:
    return sum(node["op_name"] == "DELEGATE" for node in interpreter(file)._get_ops_details())


def codes(program: ExportedProgram, precision: Precision = Precision.FP32) -> list[str]:
    return [operation.code for operation in to_graph(program, precision).operations]


def counts(graph: Graph) -> Counter[str]:
    return Counter(operation.code for operation in graph.operations)


def relative_error(actual: np.ndarray, expected: Tensor) -> float:
    reference = expected.detach().numpy()
    assert actual.shape == reference.shape
    return float(np.abs(actual - reference).max() / max(np.abs(reference).max(), 1e-9))
