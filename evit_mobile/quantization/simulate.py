"""A plan's effect without exporting again: the float program with every int8 tensor and weight rounded to its codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Graph, GraphModule, Node
from torch.fx.graph import CodeGen
from torch.nn.functional import hardtanh_

from converters.contract import INT8, ActivationQuantization, QuantPlan, WeightQuantization
from converters.quantized_program import correct_bias, drop_parameters, quantize_weight, set_parameter, shared_module
from evit_mobile.images.data import BATCH, affordable
from evit_mobile.quantization.placement import ACTIVATIONS, MOVEMENT

BATCH_PIXELS = BATCH * 224**2
"""The most pixels of all images that are run at once."""


def simulate(program: ExportedProgram, plan: QuantPlan) -> GraphModule:
    """(1, 3, H, W) -> (1, classes): what `quantize_program(program, plan)` computes. `program` is left as it was."""
    module = shared_module(program)
    graph, nodes = copied(module)
    for activation in rounded(module, plan):
        numbers = activation.numbers
        codes = (activation.scale, activation.zero_point, numbers.least, numbers.most)
        node = nodes[activation.tensor]
        _replace_uses(graph, node, nearest, (node, *codes))
    result = GraphModule(module, graph)
    for weight in plan.weights:
        set_parameter(result, weight.tensor, rounded_weight(module.get_parameter(weight.tensor), weight))
    for correction in plan.biases:
        correct_bias(result, correction)
    return result


@contextmanager
def simulated(program: ExportedProgram, plan: QuantPlan) -> Iterator[GraphModule]:
    """`simulate(program, plan)` for as long as it is needed; its rounded weights, a second copy of the model's, go with it."""
    module = simulate(program, plan)
    try:
        yield module
    finally:
        drop_parameters(module)


def simulate_half(module: GraphModule) -> GraphModule:
    """`module` with the image, every constant and every result rounded to fp16, as a target whose floats are fp16 has them. Sums inside an
    operation are float32's.
    """
    graph, nodes = copied(module)
    for node in nodes.values():
        _replace_uses(graph, node, rounded_to_half, (node,))
    return GraphModule(module, graph)


def copied(module: GraphModule) -> tuple[Graph, dict[str, Node]]:
    """A copy of the module's graph, and its nodes, but for the output, by the names of those that they are copies of."""
    graph = Graph()
    copies: dict[Node, Node] = {}
    graph.output(graph.graph_copy(module.graph, copies))
    graph.set_codegen(module.graph._codegen)
    return graph, {node.name: copy for node, copy in copies.items()}


def rounded_to_half(value: Any) -> Any:
    """The value itself where it is no float tensor."""
    return value.half().float() if isinstance(value, Tensor) and value.is_floating_point() else value


def rounded(module: GraphModule, plan: QuantPlan) -> list[ActivationQuantization]:
    """The plan's activations but those that only move what has been rounded with the same parameters."""
    known = {activation.tensor: activation for activation in plan.activations}
    nodes = {node.name: node for node in module.graph.nodes}

    def moves(node: Node, activation: ActivationQuantization) -> bool:
        sources = [known.get(source.name) for source in node.all_input_nodes]
        parameters = {None if s is None else (s.scale, s.zero_point, s.numbers) for s in sources}
        kept = {(activation.scale, activation.zero_point, activation.numbers)}
        return node.target in MOVEMENT | ACTIVATIONS and parameters == kept

    return [activation for activation in plan.activations if not moves(nodes[activation.tensor], activation)]


def nearest(x: Tensor, scale: float, zero_point: int, least: int = INT8.least, most: int = INT8.most) -> Tensor:
    """`x` with every value replaced by the nearest that codes from `least` to `most` represent: torch.fake_quantize_per_tensor_affine bit
    by bit, but `run_images` can batch it.
    """
    codes = torch.mul(x, float(1 / np.float32(scale))).round_()
    return hardtanh_(codes, least - zero_point, most - zero_point).mul_(scale)  # `clamp_` is not batched


def rounded_weight(weight: Tensor, quantization: WeightQuantization) -> Tensor:
    """The same for a weight."""
    scales = torch.tensor(quantization.scales)
    shape = [1] * weight.ndim
    shape[quantization.axis] = -1
    return quantize_weight(weight.detach(), scales, quantization.numbers) * scales.view(shape)


def reader_of(nodes: Iterable[Node], parameter: str) -> Node:
    """The convolution or linear layer that reads a parameter."""
    (reader,) = (user for node in nodes if node.target == parameter for user in node.users)
    return reader


def product_of(reader: Node, x: Tensor, change: Tensor) -> Tensor:
    """What the change of a weight adds to the reader's result."""
    target = reader.target
    assert callable(target)
    with torch.no_grad():
        product: Tensor = target(x.detach(), change, None, *reader.args[3:])
    return product


def run_images(module: nn.Module, images: Sequence[Tensor]) -> Any:
    """What `module`, a program for one image, gives for `images` (1, 3, H, W): its results, each (images, ...), run several at once.

    A small model takes a quarter of the time that one image after the other takes.
    """
    chunk = affordable(BATCH, BATCH_PIXELS, images[0][0, 0].numel())
    # `vmap` writes out the name of what it runs once per result: a module's is all of its layers.
    batched = torch.func.vmap(module.forward, chunk_size=chunk if chunk < len(images) else None)
    with torch.no_grad():
        return batched(torch.stack(list(images)))


def returning(module: GraphModule, names: Iterable[str]) -> GraphModule:
    """A module that returns the tensors `names` of `module`'s graph, a tuple in that order. `module` is left as it was."""
    graph, named = copied(module)
    graph.erase_node(graph.output_node())
    graph.output(tuple(named[name] for name in names))
    graph.set_codegen(CodeGen())
    graph.eliminate_dead_code()
    return GraphModule(module, graph)


def _replace_uses(graph: Graph, node: Node, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Lets whoever reads `node` read what `function` makes of it."""
    users = list(node.users)
    with graph.inserting_after(node):
        new = graph.call_function(function, arguments)
    for user in users:
        user.replace_input_with(node, new)
