"""Weights from palettes in Core AI's form: the tables that Core ML packages have (converters/lowering/palettes.py), and their indices.

coreai-torch 0.4.3 packs indices of fewer than 8 bits. It finds them by `indices` in their names, and tables by `lut`; so names of modules
are left out of both, since some have the other's, as `convolution` has.
"""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter

import torch
from torch.fx import GraphModule, Node

from converters.coreai.ends import called
from converters.coreai.quantization import constant
from converters.lowering.palettes import Array, coded, is_worth_a_palette, palettized, repeated_values
from converters.lowering.program import operator_name
from converters.quantized_program import WEIGHT

STORED_AT = {
    "aten.conv2d.default": WEIGHT,
    "aten.linear.default": WEIGHT,
    "coreai.constexpr_blockwise_shift_scale.default": 0,
}
"""Which argument of an operation is what a file stores of a weight."""
ELEMENTWISE = (
    "aten.add.Tensor",
    "aten.sub.Tensor",
    "aten.mul.Tensor",
    "aten.maximum.default",
    "aten.minimum.default",
)
INDEX_BITS = (1, 2, 4, 6, 8)
"""Widths of an index that coreai-torch writes."""


def take_from_palettes(module: GraphModule, bits: int) -> None:
    """Lets weights of `module`, floats or the codes behind scales, be indices of `bits`; float ones too small for that become codes."""
    import_module("coreai_torch._compression.custom_layers")  # registers torch.ops.coreai
    stored: dict[str, Node] = {}
    for node in list(module.graph.nodes):
        position = STORED_AT.get(operator_name(node))
        if position is None or (weight := node.args[position]).op != "get_attr":
            continue
        name = str(weight.target)
        if name not in stored:
            with module.graph.inserting_before(node):
                stored[name] = _compressed(module, weight, f"palette_{len(stored)}", bits)
        node.update_arg(position, stored[name])


def look_up_repeated(module: GraphModule) -> None:
    """Lets float operands of elementwise arithmetic in `module` that repeat a few values, position biases, be indices: nothing is lost."""
    import_module("coreai_torch._compression.custom_layers")
    stored: dict[str, Node] = {}
    for node in [node for node in module.graph.nodes if operator_name(node) in ELEMENTWISE]:
        for operand in [one for one in node.all_input_nodes if one.op == "get_attr"]:
            name = str(operand.target)
            if name not in stored:
                with module.graph.inserting_before(node):
                    stored[name] = _repeated(module, operand, f"repeated_{len(stored)}")
            node.replace_input_with(operand, stored[name])


def is_palette(node: Node) -> bool:
    """Whether it looks a weight up in tables."""
    return operator_name(node) == "coreai.lut_to_dense.default"


def _compressed(module: GraphModule, weight: Node, name: str, bits: int) -> Node:
    """What gives `weight` from fewer bits, of constants whose names begin with `name`."""
    value: torch.Tensor = attrgetter(str(weight.target))(module).detach()
    if is_worth_a_palette(tuple(value.shape)):
        return _looked_up(module, name, *palettized(value, bits))
    if not value.is_floating_point():
        return weight
    codes, scales = coded(value)
    first, second = constant(module, f"{name}_codes", codes), constant(module, f"{name}_scales", scales)
    return called(module, torch.ops.coreai.constexpr_blockwise_shift_scale.default, first, second)


def _repeated(module: GraphModule, operand: Node, name: str) -> Node:
    """What gives `operand` from fewer bits where it repeats a few values, else itself."""
    value: torch.Tensor = attrgetter(str(operand.target))(module).detach()
    found = repeated_values(value.numpy(), INDEX_BITS) if value.is_floating_point() else None
    return operand if found is None else _looked_up(module, name, found[0], torch.from_numpy(found[1]))


def _looked_up(module: GraphModule, name: str, indices: Array, tables: torch.Tensor) -> Node:
    stored = torch.from_numpy(indices).to(torch.uint8)
    first, second = constant(module, f"{name}_indices", stored), constant(module, f"{name}_lut", tables)
    return called(module, torch.ops.coreai.lut_to_dense.default, first, second, 0)
