"""Bias correction: takes off a layer's bias the mean of all the error that int8 has made up to there.

Rounded weights and clipped activations shift the mean of an output channel, and the shifts of earlier layers add to those of later ones.
Layer by layer, in the order of the graph, the mean of each channel over calibration images is put back to the float model's (Nagel et
al., "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv 1906.04721, appendix D, there per batch norm).

A mean over few images is partly chance. Of a shift m with the standard error s over images only m (1 - s^2 / m^2) is taken off, nothing
where s > |m|: what is left after the error's own variance (the positive-part James-Stein estimator for one number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import BiasCorrection, QuantPlan
from converters.quantized_program import BIAS, parameter_of, shared_module
from evit_mobile.quantization.lockstep import in_lockstep
from evit_mobile.quantization.placement import ATEN
from evit_mobile.quantization.simulate import reader_of, simulated


def with_corrected_biases(program: ExportedProgram, plan: QuantPlan, images: Sequence[Tensor]) -> QuantPlan:
    """`plan` with a correction for every int8 layer that has a bias, from `images`, each (1, 3, H, W)."""
    module = shared_module(program)
    nodes = list(module.graph.nodes)
    readers = {reader_of(nodes, weight.tensor).name: weight for weight in plan.weights}
    layers = {node.name for node in nodes if node.name in readers and parameter_of(node, BIAS) is not None}
    expected = {
        node.name: _means(node, results) for node, results in in_lockstep(module, images) if node.name in layers
    }
    corrections = []
    with simulated(program, plan) as rounded:
        for node, results in in_lockstep(rounded, images):
            if node.name not in expected:
                continue
            shift = certain(_means(node, results) - expected[node.name])
            results -= _along_channels(node, shift)
            values = tuple((-shift).tolist())
            corrections.append(
                BiasCorrection(tensor=str(parameter_of(node, BIAS)), module=readers[node.name].module, values=values)
            )
    return replace(plan, biases=tuple(corrections))


def certain(differences: Tensor) -> Tensor:
    """(images, channels) -> (channels,): the part of their mean that is not chance; the mean itself of a single image."""
    mean = differences.mean(0)
    if len(differences) == 1:
        return mean
    chance = differences.var(0) / len(differences)
    return mean * (1 - chance / mean.square().clamp_min(torch.finfo(mean.dtype).tiny)).clamp_min(0)


def _means(node: Node, results: Tensor) -> Tensor:
    """Per channel of a convolution (images, 1, C, H, W) or a linear layer (images, ..., C), over positions: (images, C)."""
    axis = 2 if node.target is ATEN.conv2d.default else -1
    return results.movedim(axis, 1).flatten(2).mean(2)


def _along_channels(node: Node, values: Tensor) -> Tensor:
    """(C,) in the shape that broadcasts over the layer's result."""
    return values.view(-1, 1, 1) if node.target is ATEN.conv2d.default else values
