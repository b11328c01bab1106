"""The steps of an .onnx file, each from codes to codes, side by side in a file of their own: every one of them then runs on inputs that
are given to it, not on what the one before has made of its own errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

QUANTIZE = "QuantizeLinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What makes one tensor of codes, `result`: nodes by their numbers, float ones between codes among them, and the tensors that they
    read, which are codes or the file's input.
    """

    nodes: tuple[int, ...]
    reads: tuple[str, ...]
    result: str


def steps_of(model: ModelProto) -> list[Step]:
    """Every step, in the order of the file."""
    nodes = model.graph.node
    producers = {node.output[0]: number for number, node in enumerate(nodes)}
    results = [node.output[0] for node in nodes if node.op_type == QUANTIZE]
    given = {*results, *(end.name for end in model.graph.input)}
    return [_step(nodes, producers, given, result) for result in results]


def _step(nodes: Sequence[NodeProto], producers: Mapping[str, int], given: set[str], result: str) -> Step:
    numbers: set[int] = set()
    reads: dict[str, None] = {}
    pending = [producers[result]]
    while pending:
        number = pending.pop()
        if number in numbers:
            continue
        numbers.add(number)
        for name in nodes[number].input:
            if name in given:
                reads[name] = None
            elif name in producers:
                pending.append(producers[name])
    return Step(nodes=tuple(sorted(numbers)), reads=tuple(reads), result=result)


def ends_of(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Shape and type of every tensor that a node computes, and of the file's input, by its name."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model).graph
    return {end.name: end for part in (graph.input, graph.value_info, graph.output) for end in part}


def side_by_side(model: ModelProto, ends: Mapping[str, ValueInfoProto], steps: Sequence[Step]) -> ModelProto:
    """A file of these steps of `model`, whose inputs are what each of them reads, and whose outputs are their results. The names of the
    step at N begin with "N/": constants, too, are copies of its own, so that no two steps hang together.
    """
    from onnx import helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    graph = helper.make_graph([], "steps", [], [])
    for number, step in enumerate(steps):
        nodes = [model.graph.node[index] for index in step.nodes]
        constants = dict.fromkeys(name for node in nodes for name in node.input if name in stored)
        for names, known, copies in (
            (step.reads, ends, graph.input),
            ((step.result,), ends, graph.output),
            (constants, stored, graph.initializer),
        ):
            for name in names:
                copy = copies.add()
                copy.CopyFrom(known[name])
                copy.name = f"{number}/{name}"
        for node in nodes:
            copy = graph.node.add()
            copy.CopyFrom(node)
            copy.name = f"{number}/{node.name}"
            copy.input[:] = [name and f"{number}/{name}" for name in node.input]
            copy.output[:] = [f"{number}/{name}" for name in node.output]
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
