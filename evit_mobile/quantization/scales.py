"""Scales that every runtime computes with: of weights, and fp16 numbers where there are such.

A layer adds its bias in steps of (input scale x weight scale). An output channel whose weights are nearly zero beside a usual bias has
steps so small that the bias is billions of them: more than Hexagon before v73 computes with (m0 lost 12 dB), and from 2^31 on more than
int32 holds, which runtimes clamp without a word. Such a channel gets a coarser scale, and with it smaller weights: each of them changes
the result by at most a 2^15th of the bias. Where codes have 16 bits, Hexagon also needs steps that are not next to nothing beside those of
the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import GraphModule, Node

from converters.contract import INT8, INT8_CHANNELS, ActivationQuantization, QuantPlan, WeightQuantization
from converters.lowering.emitter import clamp_limits
from converters.lowering.program import only_user
from converters.quantized_program import BIAS, parameter_of
from evit_mobile.quantization.simulate import reader_of

NEGLIGIBLE = 2.0**-80
"""Weights below count as zeros: runtimes refuse scales that are no normal fp32 numbers, alone or times the input's scale."""
HALF_TOLERANCE = 0.01
"""Numbers from 6e-6 on have an fp16 number that near; smaller scales, of weights next to nothing, are left to each format."""
MOST_STEPS = 2**22
"""The most steps that a bias may be, of an input of 8 bits; those of finer inputs are as much smaller. Measured on Hexagon's emulator:
right for v68 and v69, and no loss elsewhere.
"""
LEAST_FACTOR = 2.0**-22
"""The least that a step may be of a step of the layer's result, where codes are finer than 8 bits. Measured on Hexagon's emulator, v68 and
v75: a channel below 2^-24 gives its lowest or highest code. Of the result each weight changes a 2^7th of a step at most.
"""


def half_scale(scale: float) -> float:
    """The next fp16 number from `scale` on, the form in which Core ML has scales; `scale` itself where that is over
    HALF_TOLERANCE away. A plan is then the same numbers everywhere: biases that were corrected for other codes cost b0 0.6 dB.
    """
    return float(half_scales(np.array(scale)))


def half_scales(scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """`half_scale` of each: a model has tens of thousands, and protection plans a dozen times."""
    with np.errstate(over="ignore"):  # beyond fp16's largest number is infinity, which is not near
        half = scales.astype(np.float16)
        above = np.where(half >= scales, half, np.nextafter(half, np.float16(np.inf))).astype(np.float64)
    return np.where(above <= scales * (1 + HALF_TOLERANCE), above, scales)


def weight_scales(weight: Tensor) -> tuple[float, ...]:
    """Symmetric per-output-channel scales (O,) of a weight (O, ...) that cover its largest value; 1 for channels without any."""
    peak = weight.detach().flatten(1).abs().amax(1).double().numpy()
    scales = np.where(peak < NEGLIGIBLE, 1.0, peak / INT8_CHANNELS.most)
    return tuple(half_scales(scales.astype(np.float32).astype(np.float64)).tolist())


def with_room_for_biases(module: GraphModule, plan: QuantPlan) -> QuantPlan:
    """`plan` for the program of `module` with weight scales raised until every bias, as corrected, is at most MOST_STEPS of its
    (input scale x weight scale), and such a step at least LEAST_FACTOR of the result's scale. Layers whose input is float have no such
    steps.
    """
    nodes = list(module.graph.nodes)
    known = {activation.tensor: activation for activation in plan.activations}
    corrections = {correction.tensor: torch.tensor(correction.values) for correction in plan.biases}

    def roomy(weight: WeightQuantization) -> WeightQuantization:
        reader = reader_of(nodes, weight.tensor)
        source = known.get(str(reader.args[0]))
        if source is None:
            return weight
        bias, finer = _bias_of(module, reader, corrections), source.bits - INT8.bits
        least = torch.zeros(len(weight.scales), dtype=torch.float64)
        if bias is not None:
            least = bias.abs().double() / (source.scale * (MOST_STEPS << finer))
        if finer and (result := _result_of(reader, known)) is not None:
            least = least.clamp(min=result.scale * LEAST_FACTOR / source.scale)
        pairs = zip(weight.scales, least.tolist(), strict=True)
        return replace(weight, scales=tuple(scale if scale >= floor else _from(floor) for scale, floor in pairs))

    return replace(plan, weights=tuple(roomy(weight) for weight in plan.weights))


def _result_of(layer: Node, known: Mapping[str, ActivationQuantization]) -> ActivationQuantization | None:
    """The codes that a layer's result becomes, by itself or behind a clamp; None where it stays float."""
    follower = only_user(layer)
    if layer.name not in known and follower is not None and clamp_limits(follower) is not None:
        return known.get(follower.name)
    return known.get(layer.name)


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
