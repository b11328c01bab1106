"""fp16 weights whose rounding errors cancel in the mean.

Rounded each to the nearest, the weights of an output channel shift its result by  e = (b16 - b) + sum_i (w16_i m'_i - w_i m_i),  where m_i
is the mean of the i-th input over positions and images, and m'_i the same of what fp16 holds of the input. Behind activations m is far
from 0, so e^2 is most of a channel's squared error  e^2 + sum_i Var_i (w16_i - w_i)^2  (inputs taken as independent), and a bias of 11 bits
cannot take it off. So some weights are rounded to the other neighbour, as long as that makes the whole smaller: first those that
change e most for what they add to the sum. That e is the mean error of a layer is from bias correction (arXiv 1906.04721), that weights
be rounded to serve a layer's result from AdaRound (M. Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv
2004.10568).

Shapes: O output channels in G groups, K = C_in / G * kernel rows * kernel columns weights of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.nn import functional as F

from converters.lifting import exported_again
from converters.quantized_program import BIAS, WEIGHT, graph_module, parameter_of, set_parameter
from evit_mobile.quantization.lockstep import in_lockstep
from evit_mobile.quantization.placement import ATEN

CANDIDATES = 256
"""Most weights of a channel that may be rounded the other way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStatistics:
    """Statistics (G, K) of the inputs of a layer's output channels, one row per group: means as given and as fp16 holds them."""

    exact: Tensor
    held: Tensor
    variance: Tensor


def with_half_weights(program: ExportedProgram, images: Sequence[Tensor]) -> GraphModule:
    """`program` as a module whose layers have weights and biases that fp16 holds, by `images`, each (1, 3, H, W)."""
    module = graph_module(program)
    for layer, inputs in input_statistics(module, images).items():
        weight, bias = parameter_of(layer, WEIGHT), parameter_of(layer, BIAS)
        if weight is None:
            continue
        exact = module.get_parameter(weight).detach()
        exact_bias = None if bias is None else module.get_parameter(bias).detach()
        set_parameter(module, weight, rounded(exact, exact_bias, inputs))
        if bias is not None and exact_bias is not None:
            set_parameter(module, bias, exact_bias.half().float())
    return module


def with_weights_of(program: ExportedProgram, other: ExportedProgram) -> ExportedProgram:
    """`program` with the weights and biases of `other`, the same model for another input size."""
    module = graph_module(program)
    for name, own in dict(module.named_parameters()).items():
        if name in other.state_dict and other.state_dict[name].shape == own.shape:
            set_parameter(module, name, other.state_dict[name].detach())
    return exported_again(module, program)


def input_statistics(module: GraphModule, images: Sequence[Tensor]) -> dict[Node, InputStatistics]:
    """Of every convolution and linear layer in `module` that takes activations."""
    found = {}
    for node, results in in_lockstep(module, images):
        for layer in node.users:
            if layer.args[0] is not node or layer.target not in (ATEN.conv2d.default, ATEN.linear.default):
                continue
            exact = _means(layer, results)
            held = _means(layer, results.half().float()) if node.op == "placeholder" else exact
            variance = (_means(layer, results.square()) - exact.square()).clamp_min(0)
            found[layer] = InputStatistics(exact=exact, held=held, variance=variance)
    return found


def _means(layer: Node, results: Tensor) -> Tensor:
    """Of `results` (images, 1, C, H, W) or (images, ..., C), as the layer's weights meet them: (G, K)."""
    if layer.target is ATEN.linear.default:
        return results.flatten(0, -2).mean(0)[None]
    _, weight, _, stride, padding, dilation, groups = conv2d_arguments(*layer.args)
    return taps(results.flatten(0, 1), weight.meta["val"].shape[2:], stride, padding, dilation).reshape(groups, -1)


def conv2d_arguments(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: Any = 1,
) -> tuple[Any, ...]:
    """The arguments of `aten.conv2d`, those left out with their default."""
    return x, weight, bias, stride, padding, dilation, groups


def taps(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """Mean of what each weight of a kernel meets in `x` (N, C, H, W), padding included: (C, rows, columns)."""
    windows = F.pad(x, (padding[-1], padding[-1], padding[0], padding[0]))
    for axis, at in ((2, 0), (3, -1)):
        windows = windows.unfold(axis, dilation[at] * (kernel[at] - 1) + 1, stride[at])
    return windows[..., :: dilation[0], :: dilation[-1]].mean((0, 2, 3))


def rounded(weight: Tensor, bias: Tensor | None, inputs: InputStatistics) -> Tensor:
    """`weight` (O, ...) in numbers that fp16 holds; `bias` (O,) is rounded to the nearest."""
    exact = weight.flatten(1)
    nearest, other = neighbours(exact)
    per_group = len(exact) // len(inputs.exact)
    given, held, variance = (
        values.repeat_interleave(per_group, 0) for values in (inputs.exact, inputs.held, inputs.variance)
    )
    shift = (nearest * held - exact * given).sum(1)
    if bias is not None:
        shift += bias.half().float() - bias
    effect = (other - nearest) * held
    price = ((other - exact).square() - (nearest - exact).square()) * variance
    return flipped(nearest, other, shift, effect, price).view(weight.shape)


def flipped(nearest: Tensor, other: Tensor, shift: Tensor, effect: Tensor, price: Tensor) -> Tensor:
    """`nearest` (O, K), or `other` where the square of `shift` (O,) loses more by `effect` than `price`; lowest price per effect first."""
    chosen, shift = nearest.clone(), shift.clone()
    channels = torch.arange(len(nearest))
    order = (price / effect.abs().clamp_min(torch.finfo(torch.float32).tiny)).argsort(dim=1, stable=True)
    for weights in order[:, :CANDIDATES].T:
        after = shift + effect[channels, weights]
        better = after.square() + price[channels, weights] < shift.square()
        chosen[channels, weights] = torch.where(better, other[channels, weights], chosen[channels, weights])
        shift = torch.where(better, after, shift)
    return chosen


def neighbours(exact: Tensor) -> tuple[Tensor, Tensor]:
    """The fp16 number nearest to each of `exact`, and the one on its other side; the same twice where fp16 holds it, or cannot."""
    with np.errstate(over="ignore"):  # infinite is what fp16 makes of it: such a weight is kept as it is
        half = exact.numpy().astype(np.float16)
    nearest = half.astype(np.float32)
    towards = np.where(nearest < exact.numpy(), np.inf, -np.inf).astype(np.float16)
    other = np.nextafter(half, towards).astype(np.float32)
    kept = (nearest == exact.numpy()) | ~np.isfinite(other) | ~np.isfinite(nearest)
    return torch.from_numpy(nearest), torch.from_numpy(np.where(kept, nearest, other))
