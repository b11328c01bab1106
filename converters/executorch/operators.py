"""The table of operators: what each node of an exported program becomes. An operator that is not here is an error."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import Node

from converters.executorch.emit.convolution import conv2d
from converters.executorch.emit.elementwise import clamp, gelu, power, unary
from converters.executorch.emit.reduction import layer_norm, mean, total
from converters.executorch.emitter import Emitter
from converters.lowering.operators import SHARED

OPERATORS: dict[str, Callable[[Emitter, Node], None]] = {
    **SHARED,
    "aten.abs.default": unary("Abs"),
    "aten.clamp.default": clamp,
    "aten.clamp_.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.conv2d.default": conv2d,
    "aten.exp.default": unary("Exp"),
    "aten.gelu.default": gelu,
    "aten.hardswish.default": unary("Hardswish"),
    "aten.hardswish_.default": unary("Hardswish"),
    "aten.hardtanh.default": clamp,
    "aten.hardtanh_.default": clamp,
    "aten.layer_norm.default": layer_norm,
    "aten.log.default": unary("Log"),
    "aten.mean.dim": mean,
    "aten.neg.default": unary("Negate"),
    "aten.pow.Tensor_Scalar": power,
    "aten.relu.default": clamp,
    "aten.relu6.default": clamp,
    "aten.relu6_.default": clamp,
    "aten.relu_.default": clamp,
    "aten.rsqrt.default": unary("ReciprocalSquareRoot"),
    "aten.sigmoid.default": unary("Sigmoid"),
    "aten.sqrt.default": unary("SquareRoot"),
    "aten.sum.dim_IntList": total,
    "aten.tanh.default": unary("Tanh"),
}
