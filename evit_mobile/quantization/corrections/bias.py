"""Bias correction: takes the mean of what rounded weights do to a channel off its bias.

Rounding a weight W to W + D shifts the mean of an output channel by that of D x (Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", arXiv 1906.04721, section 4.2). The mean is taken over calibration images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import BiasCorrection, QuantPlan
from converters.quantized_program import graph_module
from evit_mobile.quantization.simulate import product_of, reader_of, returning, rounded_weight


def with_corrected_biases(program: ExportedProgram, plan: QuantPlan, images: Sequence[Tensor]) -> QuantPlan:
    """`plan` with a correction for every int8 layer that has a bias, from `images`, each (1, 3, H, W)."""
    module = graph_module(program)
    nodes = list(module.graph.nodes)
    layers = [(weight, reader_of(nodes, weight.tensor)) for weight in plan.weights]
    layers = [(weight, reader) for weight, reader in layers if _bias(reader) is not None]
    changes = [
        rounded_weight(module.get_parameter(w.tensor), w) - module.get_parameter(w.tensor).detach() for w, _ in layers
    ]
    run = returning(module, [reader.all_input_nodes[0].name for _, reader in layers])
    shifts: list[Tensor] = [torch.zeros(len(change)) for change in changes]
    with torch.no_grad():
        for image in images:
            for (_, reader), x, change, shift in zip(layers, run(image), changes, shifts, strict=True):
                product = product_of(reader, x, change)
                shift += product.transpose(0, 1).flatten(1).mean(1) / len(images)
    corrections = [
        BiasCorrection(tensor=str(_bias(reader)), module=weight.module, values=tuple((-shift).tolist()))
        for (weight, reader), shift in zip(layers, shifts, strict=True)
    ]
    return replace(plan, biases=tuple(corrections))


def _bias(reader: Node) -> str | None:
    """Name of the bias that a layer reads."""
    bias = reader.args[2] if len(reader.args) > 2 else None
    return str(bias.target) if isinstance(bias, Node) else None
