"""The operators that are translated alike for every runtime. Each adds those that it writes in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.fx import Node

from converters.lowering.arithmetic import Arithmetic
from converters.lowering.emit.elementwise import binary, divide
from converters.lowering.emit.linear import linear
from converters.lowering.emit.matmul import matmul
from converters.lowering.emit.movement import concatenate, pad, select, slice_tensor, split
from converters.lowering.emit.quantization import quantize
from converters.lowering.emit.reduction import softmax
from converters.lowering.emitter import BaseEmitter
from converters.lowering.movement import RENAMING
from converters.lowering.program import QUANTIZE

SHARED: dict[str, Callable[[BaseEmitter[Any], Node], None]] = {
    **RENAMING,
    "aten._softmax.default": softmax,
    "aten.add.Tensor": binary(Arithmetic.ADD),
    "aten.add_.Tensor": binary(Arithmetic.ADD),
    "aten.bmm.default": matmul,
    "aten.cat.default": concatenate,
    "aten.chunk.default": split,
    "aten.constant_pad_nd.default": pad,
    "aten.div.Tensor": divide,
    "aten.linear.default": linear,
    "aten.matmul.default": matmul,
    "aten.maximum.default": binary(Arithmetic.MAXIMUM),
    "aten.minimum.default": binary(Arithmetic.MINIMUM),
    "aten.mul.Tensor": binary(Arithmetic.MUL),
    "aten.mul_.Tensor": binary(Arithmetic.MUL),
    "aten.pad.default": pad,
    "aten.rsub.Scalar": binary(Arithmetic.SUB, exchanged=True),
    "aten.select.int": select,
    "aten.slice.Tensor": slice_tensor,
    "aten.softmax.int": softmax,
    "aten.split.Tensor": split,
    "aten.split_with_sizes.default": split,
    "aten.sub.Tensor": binary(Arithmetic.SUB),
    QUANTIZE: quantize,
}
