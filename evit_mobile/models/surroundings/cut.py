"""A traced forward cut at the network: what lies before it and what lies behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.constants import shape_of
from evit_mobile.models.surroundings.leaf import NETWORK
from evit_mobile.models.surroundings.naming import named, operation, place


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a traced forward, from a tensor like `example` to one; its constants are in `root`. No graph where nothing is done."""

    root: GraphModule
    graph: Graph | None
    example: Tensor


def split(module: GraphModule, name: str, taken: tuple[int, int, int]) -> tuple[Section, Section]:
    """The graph cut at the network, which takes an image of (channels, height, width) `taken`.

    Raises CheckpointError where it is called more than once or bypassed.
    """
    nodes = list(module.graph.nodes)
    parts = network_parts(nodes, name, taken)
    (image,) = (node for node in nodes if node.op == "placeholder")
    (result,) = (node for node in nodes if node.op == "output")
    output = result.all_input_nodes[0]
    before, behind = reached_from(image, parts[0]), reached_from(parts[-1], None)
    around = [node for node in behind - {parts[-1]} if any(source in before for source in node.all_input_nodes)]
    if output not in behind or around:
        calls = dict.fromkeys(f"{operation(node)}{place(node)}" for node in nodes if node in around)
        raise CheckpointError(
            got=f"a {name} whose forward goes round the EfficientViT: "
            + (f"{named(list(calls))} also reads the image" if around else "its output ignores the network"),
            allowed="what lies before the network and what lies behind it, one after the other",
            do="pass a module whose output is a function of the network's",
        )
    start = parts[0].args[0]
    assert isinstance(start, Node)
    return section(module, image, start), section(module, parts[-1], output)


def network_parts(nodes: Sequence[Node], name: str, taken: tuple[int, int, int]) -> list[Node]:
    """The operations that stand for the network, in order. Raises CheckpointError where they are no chain of single calls."""
    parts = [node for node in nodes if node.target is NETWORK]
    numbers = [node.args[1] for node in parts]
    if len(set(numbers)) < len(numbers):
        raise CheckpointError(
            got=f"a {name} whose forward calls the EfficientViT {max(numbers.count(number) for number in numbers)} times",
            allowed="one call of the network: a file holds one pass, without test-time averaging over several",
            do="pass the network itself, and average in the app",
        )
    chained = all(after.args[0] is part and len(part.users) == 1 for part, after in pairwise(parts))
    if numbers != list(range(len(parts))) or not chained:
        raise intermediate(name, "takes the network apart")
    if shape_of(parts[0].args[0]) != (1, *taken):
        raise CheckpointError(
            got=f"a {name} that gives the EfficientViT a tensor of shape {shape_of(parts[0].args[0])} in place of {(1, *taken)}",
            allowed="one image, of the size that the module is given",
            do="resize and crop before the module, and pass images one by one",
        )
    return parts


def reached_from(start: Node, stop: Node | None) -> set[Node]:
    """`start` and every node that depends on it, short of `stop` and the output."""
    reached, waiting = {start}, [start]
    while waiting:
        for user in waiting.pop().users:
            if user not in reached and user is not stop and user.op != "output":
                reached.add(user)
                waiting.append(user)
    return reached


def section(module: GraphModule, start: Node, end: Node) -> Section:
    """What leads from `start` to `end`."""
    example = torch.zeros(shape_of(start))
    if start is end:
        return Section(module, None, example)
    graph = Graph()
    copies = {start: graph.placeholder("x")}
    needed = ancestors(end, start)
    for node in module.graph.nodes:
        if node in needed:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[end])
    return Section(module, graph, example)


def ancestors(end: Node, start: Node) -> set[Node]:
    """`end` and every node that it depends on, as far as `start`."""
    needed, waiting = {end}, [end]
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source is not start and source not in needed:
                needed.add(source)
                waiting.append(source)
    return needed


def intermediate(name: str, where: str) -> CheckpointError:
    """The error for a forward that looks into the network."""
    return CheckpointError(
        got=f"a {name} whose forward {where}, which are features from within the EfficientViT",
        allowed="what goes on from the network's output or from its last stage's features",
        do="pass the EfficientViT without what reads its stages; a decoder of one's own has no place in the file",
    )
