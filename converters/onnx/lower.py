"""From an exported program to the bytes of an .onnx file. The same program gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import Metadata, Precision
from converters.errors import ToolchainError
from converters.interface import INPUT, LOGITS
from converters.lowering.program import evaluate, live_nodes, operator_name, result_shape, stored_tensors, unsupported
from converters.lowering.translate import folded
from converters.lowering.values import Constant
from converters.onnx.file import described, fields_of, signed
from converters.onnx.operators import OPERATORS
from converters.onnx.writer import Writer

if TYPE_CHECKING:
    from onnx import ValueInfoProto

OPSET, IR_VERSION = 20, 9
"""Gelu is an operation since opset 20, of 2023; IR version 9 came with it."""
WIDE_OPSET, WIDE_IR_VERSION = 21, 10
"""16 bits can be quantized to since opset 21, of 2024."""


def to_bytes(program: ExportedProgram, precision: Precision, metadata: Metadata) -> bytes:
    """The file's content. Raises ToolchainError for an operation that ONNX has not, and for several outputs."""
    from onnx import helper

    writer = Writer(half_weights=precision is Precision.FP16)
    image, last = walk(program, writer)
    writer.write("Identity", [writer.name_of(last)], LOGITS)
    ends = [end(INPUT, image), end(LOGITS, last)]
    graph = helper.make_graph(writer.nodes, "main", ends[:1], ends[1:], list(writer.initializers.values()))
    wide = precision is Precision.A16W8
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", WIDE_OPSET if wide else OPSET)],
        ir_version=WIDE_IR_VERSION if wide else IR_VERSION,
        producer_name="evit-mobile",
    )
    return signed(described(model, fields_of(metadata)))


def walk(program: ExportedProgram, writer: Writer) -> tuple[Node, Node]:
    """Writes every operation; the nodes of input and result. Raises ToolchainError."""
    stored = stored_tensors(program)
    known: dict[Node, torch.Tensor] = {}
    images, results = [], []
    for node in live_nodes(program):
        if node.op == "placeholder" and node.name in stored:
            known[node] = stored[node.name]
            writer.constants[node] = Constant(known[node])
        elif node.op == "placeholder":
            images.append(node)
            writer.names[node] = INPUT
        elif node.op == "output":
            results += node.all_input_nodes
        elif all(source in known for source in node.all_input_nodes):
            known[node] = evaluate(node, known)
            writer.constants[node] = folded(node, known)
        elif operator_name(node) in OPERATORS:
            OPERATORS[operator_name(node)](writer, node)
        else:
            raise unsupported(node, "", "rewrite the model without it, or add it to that table")
    if len(images) != 1 or len(results) != 1:
        raise ToolchainError(
            got=f"a model with {len(images)} inputs and {len(results)} outputs",
            allowed="one image in, one tensor out",
            do="return a single tensor",
        )
    return images[0], results[0]


def end(name: str, node: Node) -> ValueInfoProto:
    """The input or output called `name`."""
    from onnx import TensorProto, helper

    integer = node.meta["val"].dtype is torch.int8
    return helper.make_tensor_value_info(name, TensorProto.INT8 if integer else TensorProto.FLOAT, result_shape(node))
