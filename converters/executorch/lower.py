"""From an exported program to the bytes of a .pte file with one XNNPACK delegate.

executorch's own route (`to_edge_transform_and_lower` with `XnnpackPartitioner`) retraces a program some thirty times, cannot see the
layout copies it creates, refuses operations that XNNPACK has, and fails on quantized attention. The delegate's graph is simple enough
to write directly, with executorch's schema and serialisers; its runtime reads the result like any other .pte file.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import Metadata, Precision
from converters.errors import ToolchainError
from converters.executorch.container import write_container
from converters.executorch.delegate import write_blob
from converters.executorch.emitter import Constant, Emitter, Value
from converters.executorch.graph import DataType, Graph, Tensor
from converters.executorch.operators import OPERATORS
from converters.tflite.graph import Quantization
from converters.tflite.layout import natural
from converters.tflite.program import (
    DEQUANTIZE_CHANNELS,
    arguments,
    evaluate,
    live_nodes,
    operator_name,
    result_shape,
    stored_tensors,
    unsupported,
)


def to_bytes(program: ExportedProgram, precision: Precision, metadata: Metadata) -> bytes:
    """The file's content. The same program, precision and metadata give the same bytes. Raises ToolchainError."""
    graph = to_graph(program, precision)
    return write_container(graph, write_blob(graph), metadata)


def to_graph(program: ExportedProgram, precision: Precision) -> Graph:
    """The operations of `program` in XNNPACK's terms. Raises ToolchainError for what has no such form."""
    emitter = Emitter(DataType.FP16 if precision is Precision.FP16 else DataType.FP32)
    constants = stored_tensors(program)
    known: dict[Node, torch.Tensor] = {}
    for node in live_nodes(program):
        if node in emitter.values or node in emitter.absorbed:
            continue
        if node.op == "placeholder" and node.name in constants:
            known[node] = constants[node.name]
            emitter.bind(node, Constant(known[node]))
        elif node.op == "placeholder":
            add_input(emitter, node)
        elif node.op == "output":
            add_output(emitter, node)
        elif all(source in known for source in node.all_input_nodes):
            known[node] = evaluate(node, known)
            emitter.bind(node, folded(node, known))
        else:
            translate(emitter, node)
    emitter.graph.prune()
    return emitter.graph


def translate(emitter: Emitter, node: Node) -> None:
    """Writes what one node becomes."""
    emit = OPERATORS.get(operator_name(node))
    if emit is None:
        raise unsupported(node, "", "rewrite the model without it, or add it to that table")
    emit(emitter, node)


def folded(node: Node, known: dict[Node, Any]) -> Constant:
    """A constant node's value. A dequantized weight keeps its codes, for the operations that take them as they are."""
    if operator_name(node) != DEQUANTIZE_CHANNELS:
        return Constant(known[node])
    named = arguments(node)
    scales = tuple(known[named["scales"]].to(torch.float32).tolist())
    if named["zero_points"] is not None and bool(known[named["zero_points"]].any()):
        raise unsupported(node, "with zero points other than 0", "quantize weights symmetrically")
    quantization = Quantization(scales=scales, axis=named["axis"])
    return Constant(known[node], known[named["input"]], quantization)


def add_input(emitter: Emitter, node: Node) -> None:
    """A float32 input in PyTorch's own order."""
    shape = result_shape(node)
    tensor = Tensor(shape=shape, dtype=DataType.FP32)
    emitter.graph.inputs.append(tensor)
    if emitter.real is not DataType.FP32:
        tensor = emitter.emit("Convert", {"input_id": tensor}, shape)
    emitter.bind(node, Value(tensor, natural(shape)))


def add_output(emitter: Emitter, node: Node) -> None:
    """The single output, in float32 and in PyTorch's own order."""
    sources = node.all_input_nodes
    if len(sources) != 1 or not isinstance(emitter.values[sources[0]], Value):
        raise ToolchainError(
            got=f"a model with {len(sources)} outputs or a constant one",
            allowed="one output that depends on the input",
            do="return a single tensor",
        )
    value = emitter.activation(sources[0])
    layout = natural(value.layout.shape)
    stored = Value(emitter.stored(emitter.ordered(value, layout.order)), layout)
    tensor = emitter.dequantized(stored).tensor
    if tensor in emitter.graph.inputs:
        raise ToolchainError(
            got="a model that returns its input", allowed="a model with operations", do="check the model"
        )
    if emitter.real is not DataType.FP32:
        output = Tensor(shape=tensor.shape, dtype=DataType.FP32)
        emitter.write("Convert", {"input_id": tensor}, output)
        tensor = output
    emitter.graph.outputs.append(tensor)
