"""The walk over an exported program: constants are computed, every other node becomes what the runtime's table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from converters.errors import ToolchainError
from converters.lowering.emitter import BaseEmitter
from converters.lowering.program import (
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    arguments,
    evaluate,
    live_nodes,
    module_path,
    operator_name,
    stored_tensors,
    tensor_quantization,
    unsupported,
)
from converters.lowering.values import Constant, Quantization, T, Value

E = TypeVar("E", bound=BaseEmitter[Any])
Emit = Callable[[E, Node], None]


def translate(
    program: ExportedProgram, emitter: E, operators: Mapping[str, Emit[E]], add_input: Emit[E], add_output: Emit[E]
) -> None:
    """Writes the whole program. Raises ToolchainError for an operator that the table `operators` lacks."""
    constants = stored_tensors(program)
    known: dict[Node, torch.Tensor] = {}
    for node in live_nodes(program):
        if node in emitter.values or node in emitter.absorbed:
            continue
        emitter.module = module_path(node)
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
        elif operator_name(node) in operators:
            operators[operator_name(node)](emitter, node)
        else:
            raise unsupported(node, "", "rewrite the model without it, or add it to that table")


def folded(node: Node, known: dict[Node, Any]) -> Constant:
    """A constant node's value. A dequantized one keeps its codes, for the operations that take them as they are."""
    if operator_name(node) == DEQUANTIZE:
        return Constant(known[node], known[node.all_input_nodes[0]], tensor_quantization(node))
    if operator_name(node) != DEQUANTIZE_CHANNELS:
        return Constant(known[node])
    named = arguments(node)
    if named["dtype"] is not torch.int8:
        raise unsupported(node, f"with codes of {named['dtype']}", "quantize weights to int8 or fewer bits")
    scales = tuple(known[named["scales"]].to(torch.float32).tolist())
    if named["zero_points"] is not None and bool(known[named["zero_points"]].any()):
        raise unsupported(node, "with zero points other than 0", "quantize weights symmetrically")
    quantization = Quantization(scales=scales, axis=named["axis"])
    return Constant(known[node], known[named["input"]], quantization)


def output_value(emitter: BaseEmitter[T], node: Node) -> Value[T]:
    """What the program returns. Raises ToolchainError unless that is one tensor that depends on the input."""
    sources = node.all_input_nodes
    if len(sources) != 1 or not isinstance(emitter.values[sources[0]], Value):
        raise ToolchainError(
            got=f"a model with {len(sources)} outputs or a constant one",
            allowed="one output that depends on the input",
            do="return a single tensor",
        )
    return emitter.activation(sources[0])
