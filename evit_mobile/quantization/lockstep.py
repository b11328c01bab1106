"""A program on many images, one operation after the other on all of them: each result goes when its last reader has run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_aggregate, map_arg


def in_lockstep(module: GraphModule, images: Sequence[Tensor]) -> Iterator[tuple[Node, Tensor]]:
    """Runs the graph node by node on all images; whoever takes a node's results (images, ...) may change them for what comes after, but
    not those of constants, which are the same for all.
    """
    runner = Interpreter(module)
    values, per_image = runner.env, set[Node]()
    for node in module.graph.nodes:
        if node.op == "output":
            return
        if node.op == "placeholder" or not per_image.isdisjoint(node.all_input_nodes):
            per_image.add(node)
        with torch.no_grad():
            if node.op == "placeholder":
                values[node] = torch.stack(list(images))
            else:
                values[node] = _on_every_image(node, values, per_image) if node in per_image else runner.run_node(node)
        if isinstance(result := values[node], Tensor):
            yield node, result if node in per_image else result.expand(len(images), *result.shape)
        for source in runner.user_to_last_uses.get(node, ()):
            del values[source]


def _on_every_image(node: Node, values: Mapping[Node, Tensor], per_image: Set[Node]) -> Tensor:
    """The operation's results (images, ...), its operands being those of `per_image` and what is the same for all images."""
    arguments = map_arg((node.args, node.kwargs), values.__getitem__)
    dimensions = map_aggregate((node.args, node.kwargs), lambda value: 0 if value in per_image else None)
    target = node.target
    assert callable(target)

    def apply(positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return target(*positional, **named)

    results: Tensor = torch.func.vmap(apply, in_dims=dimensions)(*arguments)
    return results
