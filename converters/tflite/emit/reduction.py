"""Means, sums, layer norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.fx import Node

from converters.lowering.layout import Layout, reduced_layout
from converters.lowering.products import optional_constant
from converters.lowering.program import arguments, result_shape, tensor_name
from converters.lowering.values import Value
from converters.tflite.emitter import Emitter
from converters.tflite.graph import Tensor


def reduce(code: str) -> Callable[[Emitter, Node], None]:
    """The emitter of a reduction over dimensions: MEAN, SUM or REDUCE_MAX, int8 where input and result are."""

    def emit(emitter: Emitter, node: Node) -> None:
        named = arguments(node)
        value = emitter.activation(named["self"])
        epilogue = emitter.epilogue(node, int8=value.quantization is not None, clamp=False)
        if epilogue.quantization is None:
            value = emitter.dequantized(value)
        rank = len(value.layout.shape)
        reduced = {dim % rank for dim in named["dim"] or range(rank)}
        layout = reduced_layout(value.layout, reduced, keep=named["keepdim"])
        output = emitter.emit(
            code,
            [emitter.stored(value), emitter.indices(sorted(value.layout.place(dim) for dim in reduced))],
            layout.stored,
            name=tensor_name(node),
            quantization=epilogue.quantization,
            keepDims=named["keepdim"],
        )
        emitter.finish(node, epilogue, Value(output, layout))

    return emit


def layer_norm(emitter: Emitter, node: Node) -> None:
    """aten.layer_norm over the last dimensions, in the primitives that XNNPACK takes."""
    named = arguments(node)
    value = emitter.dequantized(emitter.activation(named["input"]))
    rank, count = len(value.layout.shape), len(named["normalized_shape"])
    axes = [value.layout.place(dim) for dim in range(rank - count, rank)]
    source = emitter.stored(value)
    reduced = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape))
    name = tensor_name(node)

    def write(code: str, *inputs: Tensor, part: str, small: bool = False, **options: Any) -> Tensor:
        return emitter.emit(code, inputs, reduced if small else source.shape, name=f"{name}/{part}", **options)

    indices = emitter.indices(sorted(axes))
    epsilon = emitter.constant(np.array(named["eps"], np.float32), name=f"{name}/eps")
    mean = write("MEAN", source, indices, part="mean", small=True, keepDims=True)
    centred = write("SUB", source, mean, part="centred")
    square = write("SQUARE", centred, part="square")
    variance = write("MEAN", square, indices, part="variance", small=True, keepDims=True)
    shifted = write("ADD", variance, epsilon, part="shifted", small=True)
    deviation = write("RSQRT", shifted, part="deviation", small=True)
    result = write("MUL", centred, deviation, part="normalized")
    for code, role in (("MUL", "weight"), ("ADD", "bias")):
        parameter = optional_constant(emitter, node, named[role])
        if parameter is not None:
            array = parameter.array.reshape((1,) * (rank - count) + parameter.shape).transpose(value.layout.order)
            result = write(code, result, emitter.float_parameter(array, node, role=role), part=role)
    emitter.bind(node, Value(result, Layout(result_shape(node), value.layout.order)))
