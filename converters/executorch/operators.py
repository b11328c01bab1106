"""The table of operators: what each node of an exported program becomes. An operator that is not here is an error."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import Node

from converters.executorch.emit.convolution import conv2d, linear
from converters.executorch.emit.elementwise import binary, clamp, divide, gelu, power, unary
from converters.executorch.emit.matmul import matmul
from converters.executorch.emit.movement import concatenate, pad, select, slice_tensor, split
from converters.executorch.emit.quantization import quantize
from converters.executorch.emit.reduction import layer_norm, mean, softmax, total
from converters.executorch.emitter import Emitter
from converters.lowering.movement import RENAMING
from converters.lowering.program import QUANTIZE

OPERATORS: dict[str, Callable[[Emitter, Node], None]] = {
    **RENAMING,
    "aten._softmax.default": softmax,
    "aten.abs.default": unary("Abs"),
    "aten.add.Tensor": binary("Add"),
    "aten.add_.Tensor": binary("Add"),
    "aten.bmm.default": matmul,
    "aten.cat.default": concatenate,
    "aten.chunk.default": split,
    "aten.clamp.default": clamp,
    "aten.clamp_.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.constant_pad_nd.default": pad,
    "aten.conv2d.default": conv2d,
    "aten.div.Tensor": divide,
    "aten.exp.default": unary("Exp"),
    "aten.gelu.default": gelu,
    "aten.hardswish.default": unary("Hardswish"),
    "aten.hardswish_.default": unary("Hardswish"),
    "aten.hardtanh.default": clamp,
    "aten.hardtanh_.default": clamp,
    "aten.layer_norm.default": layer_norm,
    "aten.linear.default": linear,
    "aten.log.default": unary("Log"),
    "aten.matmul.default": matmul,
    "aten.maximum.default": binary("Maximum"),
    "aten.mean.dim": mean,
    "aten.minimum.default": binary("Minimum"),
    "aten.mul.Tensor": binary("Multiply"),
    "aten.mul_.Tensor": binary("Multiply"),
    "aten.neg.default": unary("Negate"),
    "aten.pad.default": pad,
    "aten.pow.Tensor_Scalar": power,
    "aten.relu.default": clamp,
    "aten.relu6.default": clamp,
    "aten.relu6_.default": clamp,
    "aten.relu_.default": clamp,
    "aten.rsqrt.default": unary("ReciprocalSquareRoot"),
    "aten.rsub.Scalar": binary("Subtract", exchanged=True),
    "aten.select.int": select,
    "aten.sigmoid.default": unary("Sigmoid"),
    "aten.slice.Tensor": slice_tensor,
    "aten.softmax.int": softmax,
    "aten.split.Tensor": split,
    "aten.split_with_sizes.default": split,
    "aten.sqrt.default": unary("SquareRoot"),
    "aten.sub.Tensor": binary("Subtract"),
    "aten.sum.dim_IntList": total,
    "aten.tanh.default": unary("Tanh"),
    QUANTIZE: quantize,
}
