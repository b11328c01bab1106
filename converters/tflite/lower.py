"""From an exported program to the bytes of a .tflite file."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import Metadata, Precision
from converters.errors import ToolchainError
from converters.tflite.emitter import Constant, Emitter, Value
from converters.tflite.flatbuffer import serialize
from converters.tflite.graph import DataType, Graph, Quantization, Tensor
from converters.tflite.layout import channels_last, natural
from converters.tflite.operators import OPERATORS
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

IMAGE_RANK = 4


def to_bytes(program: ExportedProgram, precision: Precision, metadata: Metadata) -> bytes:
    """The file's content. The same program, precision and metadata give the same bytes. Raises ToolchainError."""
    return serialize(to_graph(program, precision), metadata)


def to_graph(program: ExportedProgram, precision: Precision) -> Graph:
    """The operations of `program` in TFLite's terms. Raises ToolchainError for what has no such form."""
    emitter = Emitter(half_weights=precision is Precision.FP16)
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
    """The model's input: an NCHW image, in the file NHWC; other ranks as they are."""
    shape = result_shape(node)
    layout = channels_last(shape) if len(shape) == IMAGE_RANK else natural(shape)
    tensor = Tensor(name=node.name, shape=layout.stored, dtype=DataType.FLOAT32)
    emitter.graph.inputs.append(tensor)
    emitter.bind(node, Value(tensor, layout))


def add_output(emitter: Emitter, node: Node) -> None:
    """The model's single output in float32, an image as NHWC, other ranks in PyTorch's order."""
    sources = node.all_input_nodes
    if len(sources) != 1 or not isinstance(emitter.values[sources[0]], Value):
        raise ToolchainError(
            got=f"a model with {len(sources)} outputs or a constant one",
            allowed="one output that depends on the input",
            do="return a single tensor",
        )
    value = emitter.dequantized(emitter.activation(sources[0]))
    shape = value.layout.shape
    layout = channels_last(shape) if len(shape) == IMAGE_RANK else natural(shape)
    emitter.graph.outputs.append(emitter.stored(emitter.ordered(value, layout.order)))
