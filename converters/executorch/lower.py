"""From an exported program to the bytes of a .pte file with one XNNPACK delegate.

executorch's own route (`to_edge_transform_and_lower` with `XnnpackPartitioner`) retraces a program some thirty times, cannot see the
layout copies it creates, refuses operations that XNNPACK has, and fails on quantized attention. The delegate's graph is simple enough
to write directly, with executorch's schema and serialisers; its runtime reads the result like any other .pte file.
"""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import Metadata, Precision
from converters.errors import ToolchainError
from converters.executorch.container import write_container
from converters.executorch.delegate import write_blob
from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Graph, Tensor
from converters.executorch.operators import OPERATORS
from converters.lowering.layout import natural
from converters.lowering.program import result_shape
from converters.lowering.translate import output_value, translate
from converters.lowering.values import Value


def to_bytes(program: ExportedProgram, precision: Precision, metadata: Metadata) -> bytes:
    """The file's content. The same program, precision and metadata give the same bytes. Raises ToolchainError."""
    graph = to_graph(program, precision)
    return write_container(graph, write_blob(graph), metadata)


def to_graph(program: ExportedProgram, precision: Precision) -> Graph:
    """The operations of `program` in XNNPACK's terms. Raises ToolchainError for what has no such form."""
    emitter = Emitter(DataType.FP16 if precision is Precision.FP16 else DataType.FP32)
    translate(program, emitter, OPERATORS, add_input, add_output)
    emitter.graph.prune()
    emitter.graph.hand_in()
    return emitter.graph


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
    value = output_value(emitter, node)
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
