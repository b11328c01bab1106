"""Reading an exported program: arguments by name, module paths, followers, quantize/dequantize pairs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.fx.node import map_arg

from converters.errors import ToolchainError
from converters.lowering.values import Quantization

STORED = {8: torch.int8, 16: torch.int16}
"""What codes of so many bits are stored in."""

QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor.default"
DEQUANTIZE_CHANNELS = "quantized_decomposed.dequantize_per_channel.default"


def operator_name(node: Node) -> str:
    """`aten.conv2d.default` and the like."""
    return str(node.target)


def module_path(node: Node) -> str:
    """Path of the module that the node belongs to; empty at the top."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""


def tensor_name(node: Node) -> str:
    """What the node's result is called in the file: module path, then the node's own name."""
    return "/".join(part for part in (module_path(node), node.name) if part)


def arguments(node: Node) -> dict[str, Any]:
    """The node's arguments by name, in the order of the operator's schema, defaults filled in."""
    declared = node.target._schema.arguments  # type: ignore[union-attr]
    named = {argument.name: argument.default_value for argument in declared}
    named.update(zip(named, node.args, strict=False))
    named.update(node.kwargs)
    return named


def result_shape(node: Node) -> tuple[int, ...]:
    """The logical shape of the node's result."""
    return tuple(int(size) for size in node.meta["val"].shape)


def only_user(node: Node) -> Node | None:
    """The single node that reads this one, if it is single."""
    return next(iter(node.users)) if len(node.users) == 1 else None


def tensor_quantization(node: Node, bits: Collection[int] = (8,)) -> Quantization:
    """Parameters of a per-tensor quantize or dequantize node. Raises ToolchainError for codes of other `bits` than the writer has."""
    named = arguments(node)
    codes = named["quant_min"], named["quant_max"], named["dtype"]
    for count in bits:
        if codes == (-(1 << (count - 1)), (1 << (count - 1)) - 1, STORED[count]):
            return Quantization(scales=(float(named["scale"]),), zero_point=int(named["zero_point"]), bits=count)
    allowed = " or ".join(f"int{count}" for count in bits)
    raise unsupported(node, f"with codes {codes[0]}..{codes[1]} as {codes[2]}", f"quantize activations to {allowed}")


def unsupported(node: Node, detail: str, do: str) -> ToolchainError:
    """The error for a node that has no form in the target's format."""
    where = module_path(node) or "the model's own forward"
    return ToolchainError(
        got=f"{operator_name(node)} {detail} in {where}",
        allowed="the operators in the format's table (operators.py)",
        do=do,
    )


def live_nodes(program: ExportedProgram) -> list[Node]:
    """The nodes that the output depends on, and the user's inputs, in execution order."""
    live: set[Node] = set()
    for node in reversed(program.graph.nodes):
        if node.op == "output" or any(user in live for user in node.users):
            live.add(node)
    return [node for node in program.graph.nodes if node in live or node.name in program.graph_signature.user_inputs]


def stored_tensors(program: ExportedProgram) -> dict[str, Tensor]:
    """Parameters, buffers and lifted constants, by the name of the placeholder that stands for them."""
    tensors = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind is not InputKind.USER_INPUT:
            assert spec.target is not None
            source = program.state_dict if spec.target in program.state_dict else program.constants
            tensors[spec.arg.name] = source[spec.target].detach()
    return tensors


def evaluate(node: Node, known: dict[Node, Tensor]) -> Any:
    """The node's result, all of whose inputs are `known`."""
    args, kwargs = map_arg((node.args, dict(node.kwargs)), known.__getitem__)
    with torch.no_grad():
        return node.target(*args, **kwargs)  # type: ignore[operator]
