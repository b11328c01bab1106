"""Scales that every runtime computes with: of weights, and fp16 numbers where there are such.

A layer adds its bias in steps of (input scale x weight scale). An output channel whose weights are nearly zero beside a usual bias has
steps so small that the bias is billions of them: more than Hexagon before v73 computes with (m0 lost 12 dB), and from 2^31 on more than
int32 holds, which runtimes clamp without a word. Such a channel gets a coarser scale, and with it smaller weights: each of them changes
the result by at most a 2^15th of the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from converters.contract import INT8, INT8_CHANNELS, QuantPlan, WeightQuantization
from converters.quantized_program import BIAS, parameter_of
from evit_mobile.quantization.simulate import reader_of

NEGLIGIBLE = 2.0**-80
"""Weights below count as zeros: runtimes refuse scales that are no normal fp32 numbers, alone or times the input's scale."""
HALF_MAX = float(np.finfo(np.float16).max)
HALF_TOLERANCE = 0.01
"""Numbers from 6e-6 on have an fp16 number that near; smaller scales, of weights next to nothing, are left to each format."""
MOST_STEPS = 2**22
"""The most steps that a bias may be, of an input of 8 bits; those of finer inputs are as much smaller. Measured on Hexagon's emulator:
right for v68 and v69, and no loss elsewhere.
"""


def half_scale(scale: float) -> float:
    """The next fp16 number from `scale` on, the form in which Core ML has scales; `scale` itself where that is over
    HALF_TOLERANCE away. A plan is then the same numbers everywhere: biases that were corrected for other codes cost b0 0.6 dB.
    """
    if scale > HALF_MAX:
        return scale
    half = np.float16(scale)
    above = float(half) if float(half) >= scale else float(np.nextafter(half, np.float16(np.inf)))
    return above if above <= scale * (1 + HALF_TOLERANCE) else scale


def weight_scales(weight: Tensor) -> tuple[float, ...]:
    """Symmetric per-output-channel scales (O,) of a weight (O, ...) that cover its largest value; 1 for channels without any."""
    peak = weight.detach().flatten(1).abs().amax(1).double().numpy()
    scales = np.where(peak < NEGLIGIBLE, 1.0, peak / INT8_CHANNELS.most)
    return tuple(half_scale(float(np.float32(scale))) for scale in scales)


def with_room_for_biases(module: GraphModule, plan: QuantPlan) -> QuantPlan:
    """`plan` for the program of `module` with weight scales raised until every bias, as corrected, is at most MOST_STEPS of its
    (input scale x weight scale). Layers whose input is float have no such steps.
    """
    nodes = list(module.graph.nodes)
    sources = {activation.tensor: activation for activation in plan.activations}
    corrections = {correction.tensor: torch.tensor(correction.values) for correction in plan.biases}

    def roomy(weight: WeightQuantization) -> WeightQuantization:
        reader = reader_of(nodes, weight.tensor)
        source, bias = reader.args[0], _bias_of(module, reader, corrections)
        if bias is None or not isinstance(source, Node) or source.name not in sources:
            return weight
        steps = MOST_STEPS << (sources[source.name].bits - INT8.bits)
        least = (bias.abs().double() / (sources[source.name].scale * steps)).tolist()
        pairs = zip(weight.scales, least, strict=True)
        return replace(weight, scales=tuple(scale if scale >= floor else _from(floor) for scale, floor in pairs))

    return replace(plan, weights=tuple(roomy(weight) for weight in plan.weights))


def _bias_of(module: GraphModule, reader: Node, corrections: Mapping[str, Tensor]) -> Tensor | None:
    """The bias (O,) that a layer adds, None where it has none."""
    name = parameter_of(reader, BIAS)
    if name is None:
        return None
    bias = module.get_parameter(name).detach()
    return bias + corrections[name] if name in corrections else bias


def _from(least: float) -> float:
    """The first scale from `least` on that files can hold."""
    scale = np.float32(least)
    return half_scale(float(scale if scale >= least else np.nextafter(scale, np.float32(np.inf))))
