"""Bias correction: takes off a layer's bias the mean of all the error that int8 has made up to there.

Rounded weights and clipped activations shift the mean of an output channel, and the shifts of earlier layers add to those of later ones.
Layer by layer, in the order of the graph, the mean of each channel over calibration images is put back to the float model's (Nagel et
al., "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv 1906.04721, appendix D, there per batch norm).

A mean over few images is partly chance. Of a shift m with the standard error s over images only m (1 - s^2 / m^2) is taken off, nothing
where s > |m|: what is left after the error's own variance (the positive-part James-Stein estimator for one number).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter, Node

from converters.contract import BiasCorrection, QuantPlan
from converters.quantized_program import graph_module
from evit_mobile.quantization.placement import ATEN
from evit_mobile.quantization.simulate import reader_of, returning, simulate


def with_corrected_biases(program: ExportedProgram, plan: QuantPlan, images: Sequence[Tensor]) -> QuantPlan:
    """`plan` with a correction for every int8 layer that has a bias, from `images`, each (1, 3, H, W)."""
    module = graph_module(program)
    nodes = list(module.graph.nodes)
    readers = {reader_of(nodes, weight.tensor).name: weight for weight in plan.weights}
    layers = [node for node in nodes if node.name in readers and _bias(node) is not None]
    expected = dict(zip((node.name for node in layers), _float_means(module, layers, images), strict=True))
    corrections = []
    for node, results in _in_lockstep(simulate(program, plan), images):
        if node.name not in expected:
            continue
        shift = certain(_means(node, results) - expected[node.name])
        for result in results:
            result -= _along_channels(node, shift)
        values = tuple((-shift).tolist())
        corrections.append(BiasCorrection(tensor=str(_bias(node)), module=readers[node.name].module, values=values))
    return replace(plan, biases=tuple(corrections))


def certain(differences: Tensor) -> Tensor:
    """(images, channels) -> (channels,): the part of their mean that is not chance; the mean itself of a single image."""
    mean = differences.mean(0)
    if len(differences) == 1:
        return mean
    chance = differences.var(0) / len(differences)
    return mean * (1 - chance / mean.square().clamp_min(torch.finfo(mean.dtype).tiny)).clamp_min(0)


def _float_means(module: GraphModule, layers: Sequence[Node], images: Sequence[Tensor]) -> list[Tensor]:
    """The mean of each layer's result per image and channel, each (images, channels)."""
    run = returning(module, [layer.name for layer in layers])
    with torch.no_grad():
        per_image = [[_means(layer, [y]) for layer, y in zip(layers, run(x), strict=True)] for x in images]
    return [torch.cat(means) for means in zip(*per_image, strict=True)]


def _in_lockstep(module: GraphModule, images: Sequence[Tensor]) -> Iterator[tuple[Node, list[Tensor]]]:
    """Runs the graph node by node on all images; whoever takes a node's results may change them for what comes after."""
    nodes = [node for node in module.graph.nodes if node.op != "output"]
    last_user = {source: node for node in nodes for source in node.all_input_nodes}
    runners = [Interpreter(module, graph=module.graph) for _ in images]
    for node in nodes:
        with torch.no_grad():
            for runner, image in zip(runners, images, strict=True):
                runner.env[node] = image if node.op == "placeholder" else runner.run_node(node)
        yield node, [runner.env[node] for runner in runners]
        for source in node.all_input_nodes:
            if last_user[source] is node:
                for runner in runners:
                    del runner.env[source]


def _means(node: Node, results: Sequence[Tensor]) -> Tensor:
    """Per channel of a convolution (1, C, H, W) or a linear layer (..., C), over positions: (images, C)."""
    axis = 1 if node.target is ATEN.conv2d.default else -1
    return torch.stack([result.movedim(axis, 0).flatten(1).mean(1) for result in results])


def _along_channels(node: Node, values: Tensor) -> Tensor:
    """(C,) in the shape that broadcasts over the layer's result."""
    return values.view(-1, 1, 1) if node.target is ATEN.conv2d.default else values


def _bias(reader: Node) -> str | None:
    """Name of the bias that a layer reads."""
    bias = reader.args[2] if len(reader.args) > 2 else None
    return str(bias.target) if isinstance(bias, Node) else None
