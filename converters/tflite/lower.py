"""From an exported program to the bytes of a .tflite file."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import Metadata, Precision
from converters.lowering.layout import channels_last, natural
from converters.lowering.program import result_shape, tensor_quantization
from converters.lowering.translate import output_value, translate
from converters.lowering.values import Value
from converters.tflite.emitter import Emitter
from converters.tflite.flatbuffer import serialize
from converters.tflite.graph import DataType, Graph, Tensor
from converters.tflite.operators import OPERATORS

IMAGE_RANK = 4


def to_bytes(program: ExportedProgram, precision: Precision, metadata: Metadata) -> bytes:
    """The file's content. The same program, precision and metadata give the same bytes. Raises ToolchainError."""
    return serialize(to_graph(program, precision), metadata)


def to_graph(program: ExportedProgram, precision: Precision) -> Graph:
    """The operations of `program` in TFLite's terms. Raises ToolchainError for what has no such form."""
    emitter = Emitter(half_weights=precision is Precision.FP16, integer_only=precision is Precision.INT8_FULL)
    translate(program, emitter, OPERATORS, add_input, add_output)
    return emitter.graph


def add_input(emitter: Emitter, node: Node) -> None:
    """The model's input: an NCHW image, in the file NHWC; other ranks as they are. Integer where the program's is."""
    shape = result_shape(node)
    layout = channels_last(shape) if len(shape) == IMAGE_RANK else natural(shape)
    if node.meta["val"].dtype is torch.int8:
        quantization = tensor_quantization(next(iter(node.users)))
        tensor = Tensor(name=node.name, shape=layout.stored, dtype=DataType.INT8, quantization=quantization)
    else:
        tensor = Tensor(name=node.name, shape=layout.stored, dtype=DataType.FLOAT32)
    emitter.graph.inputs.append(tensor)
    emitter.bind(node, Value(tensor, layout))


def add_output(emitter: Emitter, node: Node) -> None:
    """The model's single output, an image as NHWC, other ranks in PyTorch's order; in float32 unless the program's is int8."""
    value = output_value(emitter, node)
    if node.all_input_nodes[0].meta["val"].dtype is not torch.int8:
        value = emitter.dequantized(value)
    shape = value.layout.shape
    layout = channels_last(shape) if len(shape) == IMAGE_RANK else natural(shape)
    emitter.graph.outputs.append(emitter.stored(emitter.ordered(value, layout.order)))
