"""The table of operators: what each node of an exported program becomes. An operator that is not here is an error."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import Node

from converters.lowering.movement import RENAMING
from converters.lowering.program import QUANTIZE
from converters.tflite.emit.convolution import conv2d, linear
from converters.tflite.emit.elementwise import binary, clamp, divide, gelu, power, unary
from converters.tflite.emit.matmul import matmul
from converters.tflite.emit.movement import concatenate, pad, select, slice_tensor, split
from converters.tflite.emit.quantization import quantize
from converters.tflite.emit.reduction import layer_norm, reduce, softmax
from converters.tflite.emitter import Emitter

OPERATORS: dict[str, Callable[[Emitter, Node], None]] = {
    **RENAMING,
    "aten._softmax.default": softmax,
    "aten.abs.default": unary("ABS"),
    "aten.add.Tensor": binary("ADD"),
    "aten.add_.Tensor": binary("ADD"),
    "aten.amax.default": reduce("REDUCE_MAX"),
    "aten.bmm.default": matmul,
    "aten.cat.default": concatenate,
    "aten.chunk.default": split,
    "aten.clamp.default": clamp,
    "aten.clamp_.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.constant_pad_nd.default": pad,
    "aten.conv2d.default": conv2d,
    "aten.div.Tensor": divide,
    "aten.exp.default": unary("EXP"),
    "aten.gelu.default": gelu,
    "aten.hardswish.default": unary("HARD_SWISH"),
    "aten.hardswish_.default": unary("HARD_SWISH"),
    "aten.hardtanh.default": clamp,
    "aten.hardtanh_.default": clamp,
    "aten.layer_norm.default": layer_norm,
    "aten.linear.default": linear,
    "aten.log.default": unary("LOG"),
    "aten.matmul.default": matmul,
    "aten.maximum.default": binary("MAXIMUM"),
    "aten.mean.dim": reduce("MEAN"),
    "aten.minimum.default": binary("MINIMUM"),
    "aten.mul.Tensor": binary("MUL"),
    "aten.mul_.Tensor": binary("MUL"),
    "aten.neg.default": unary("NEG"),
    "aten.pad.default": pad,
    "aten.pow.Tensor_Scalar": power,
    "aten.relu.default": clamp,
    "aten.relu6.default": clamp,
    "aten.relu6_.default": clamp,
    "aten.relu_.default": clamp,
    "aten.rsqrt.default": unary("RSQRT"),
    "aten.rsub.Scalar": binary("SUB", exchanged=True),
    "aten.select.int": select,
    "aten.sigmoid.default": unary("LOGISTIC"),
    "aten.slice.Tensor": slice_tensor,
    "aten.softmax.int": softmax,
    "aten.split.Tensor": split,
    "aten.split_with_sizes.default": split,
    "aten.sqrt.default": unary("SQRT"),
    "aten.sub.Tensor": binary("SUB"),
    "aten.sum.dim_IntList": reduce("SUM"),
    "aten.tanh.default": unary("TANH"),
    QUANTIZE: quantize,
}
