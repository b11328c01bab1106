"""The table of operators: what each node of an exported program becomes. An operator that is not here is an error."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import Node

from converters.lowering.operators import SHARED
from converters.tflite.emit.convolution import conv2d
from converters.tflite.emit.elementwise import clamp, gelu, power, unary
from converters.tflite.emit.reduction import layer_norm, reduce
from converters.tflite.emitter import Emitter

OPERATORS: dict[str, Callable[[Emitter, Node], None]] = {
    **SHARED,
    "aten.abs.default": unary("ABS"),
    "aten.amax.default": reduce("REDUCE_MAX"),
    "aten.clamp.default": clamp,
    "aten.clamp_.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.conv2d.default": conv2d,
    "aten.exp.default": unary("EXP"),
    "aten.gelu.default": gelu,
    "aten.hardswish.default": unary("HARD_SWISH"),
    "aten.hardswish_.default": unary("HARD_SWISH"),
    "aten.hardtanh.default": clamp,
    "aten.hardtanh_.default": clamp,
    "aten.layer_norm.default": layer_norm,
    "aten.log.default": unary("LOG"),
    "aten.mean.dim": reduce("MEAN"),
    "aten.neg.default": unary("NEG"),
    "aten.pow.Tensor_Scalar": power,
    "aten.relu.default": clamp,
    "aten.relu6.default": clamp,
    "aten.relu6_.default": clamp,
    "aten.relu_.default": clamp,
    "aten.rsqrt.default": unary("RSQRT"),
    "aten.sigmoid.default": unary("LOGISTIC"),
    "aten.sqrt.default": unary("SQRT"),
    "aten.sum.dim_IntList": reduce("SUM"),
    "aten.tanh.default": unary("TANH"),
}
