"""Constants of a traced graph: what does not depend on the image is computed once."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

LAYERS = (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default)


def constant_of(module: GraphModule, operand: object) -> Tensor | None:
    """The value of a node that stands for a constant, or of a number; None for anything else."""
    if isinstance(operand, Node) and operand.op == "get_attr":
        value = attrgetter(str(operand.target))(module)
        return value.detach() if isinstance(value, Tensor) else None
    return torch.tensor(float(operand)) if isinstance(operand, int | float) else None


def as_constant(module: GraphModule, value: Tensor) -> Node:
    """A node, at the graph's insertion point, that stands for `value`."""
    name = f"constant_{sum(1 for name, _ in module.named_buffers() if name.startswith('constant_'))}"
    module.register_buffer(name, value.contiguous())
    node = module.graph.create_node("get_attr", name)
    node.meta["val"] = value
    return node


def parametrise(module: GraphModule) -> None:
    """Makes the constant weights and biases of the layers in a graph parameters of `module`, as they are in any other module."""
    for node in module.graph.nodes:
        for operand in node.args[1:3] if node.target in LAYERS else ():
            value = constant_of(module, operand)
            if value is not None:
                holder, _, name = str(operand.target).rpartition(".")
                owner = module.get_submodule(holder)
                delattr(owner, name)
                owner.register_parameter(name, nn.Parameter(value, requires_grad=False))


def shape_of(node: object) -> tuple[int, ...]:
    """The shape of a node's result."""
    assert isinstance(node, Node)
    return tuple(int(size) for size in node.meta["val"].shape)


def fold_constants(module: GraphModule) -> None:
    """Computes, in place, every operation that reads nothing but constants."""
    known: dict[Node, Any] = {}
    for node in list(module.graph.nodes):
        if node.op == "get_attr":
            known[node] = constant_of(module, node)
        elif node.op == "call_function" and all(source in known for source in node.all_input_nodes):
            arguments, options = (map_arg(part, known.__getitem__) for part in (node.args, node.kwargs))
            known[node] = node.target(*arguments, **options)
            if isinstance(known[node], Tensor):
                with module.graph.inserting_before(node):
                    node.replace_all_uses_with(constant := as_constant(module, known[node]))
                known[constant] = known[node]
    module.graph.eliminate_dead_code()
