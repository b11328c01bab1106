"""Means, sums, layer norm.

The delegate has one reduction: the mean over the two middle dimensions of four. Any run of neighbouring stored dimensions becomes
that by seeing the tensor as (outer, reduced, 1, inner). XNNPACK walks such a mean row by row: over the innermost dimension, where
rows are short, it takes ten times as long as the fully connected layer with constant weights that is written instead.
"""

from __future__ import annotations

import math

import numpy as np
from torch.fx import Node

from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Tensor
from converters.lowering.emit.elementwise import number
from converters.lowering.layout import Layout, reduced_layout
from converters.lowering.products import optional_constant
from converters.lowering.program import arguments, result_shape
from converters.lowering.values import Quantization, Value

KEEP_DIMS = 0x40
"""XNN_FLAG_KEEP_DIMS."""
MAX_FP16_SUMMANDS = 64
"""A fully connected layer may add up in half precision: only short rows go through one then."""
FP16_NORM_SCALE = 2.0**-4
"""A layer norm does not change with the scale of its input; squares of values above 255 would not fit into half precision."""
SMALLEST_FP16 = 2.0**-24


def mean(emitter: Emitter, node: Node) -> None:
    """aten.mean over dimensions, int8 where input and result are."""
    named = arguments(node)
    value = emitter.activation(named["self"])
    epilogue = emitter.epilogue(node, int8=value.quantization is not None, clamp=False)
    if epilogue.quantization is None:
        value = emitter.dequantized(value)
    reduced = dimensions(value, named["dim"])
    result = reduced_value(emitter, node, value, reduced, epilogue.quantization)
    layout = reduced_layout(result.layout, reduced, keep=named["keepdim"])
    emitter.finish(node, epilogue, Value(result.tensor, layout))


def total(emitter: Emitter, node: Node) -> None:
    """aten.sum over dimensions, in float."""
    named = arguments(node)
    value = emitter.dequantized(emitter.activation(named["self"]))
    reduced = dimensions(value, named["dim"])
    result = reduced_value(emitter, node, value, reduced, None, mean=False)
    emitter.bind(node, Value(result.tensor, reduced_layout(result.layout, reduced, keep=named["keepdim"])))


def dimensions(value: Value[Tensor], dim: list[int] | None) -> set[int]:
    """The logical dimensions to reduce; none given means all."""
    rank = len(value.layout.shape)
    return {axis % rank for axis in dim} if dim else set(range(rank))


def reduced_value(
    emitter: Emitter,
    node: Node,
    value: Value[Tensor],
    reduced: set[int],
    quantization: Quantization | None,
    *,
    mean: bool = True,
) -> Value[Tensor]:
    """The mean or sum over the logical dimensions `reduced`, under the layout of `value`: its tensor has one element for each run.

    Dimensions that do not lie together are moved together first. Over dimensions of size 1 alone nothing is left to do but to change
    the scale, which the same operation does.
    """
    places = sorted(value.layout.place(dim) for dim in reduced if value.layout.shape[dim] != 1)
    start, stop = (places[0], places[-1] + 1) if places else (0, 0)
    between = math.prod(value.layout.stored[start:stop])
    count = math.prod(value.layout.stored[place] for place in places)
    if between != count:
        order = (*(dim for dim in value.layout.order if dim not in reduced), *sorted(reduced))
        return reduced_value(emitter, node, emitter.ordered(value, order), reduced, quantization, mean=mean)
    outer = math.prod(value.layout.stored[:start])
    inner = math.prod(value.layout.stored[stop:])
    short = emitter.real is DataType.FP32 or count <= MAX_FP16_SUMMANDS
    if inner == 1 and short and quantization is None:
        rows = emitter.reshaped(value.tensor, (outer, count))
        return Value(row_sums(emitter, node, rows, 1 / count if mean else 1.0), value.layout)
    image = emitter.reshaped(value.tensor, (outer, count, 1, inner))
    tensor = emitter.emit(
        "GlobalAvgPooling2d", {"input_id": image}, (outer, 1, 1, inner), quantization=quantization, flags=KEEP_DIMS
    )
    if not mean:
        factor = number(emitter, node, float(count))
        tensor = emitter.emit("Multiply", {"input1_id": tensor, "input2_id": factor}, tensor.shape)
    return Value(tensor, value.layout)


def row_sums(emitter: Emitter, node: Node, rows: Tensor, weight: float) -> Tensor:
    """(outer, n) -> (outer, 1): the sum of each row, every element times `weight`."""
    weights = emitter.parameter(np.full((1, rows.shape[1]), weight), node)
    return emitter.emit(
        "FullyConnected", {"input1_id": rows, "filter_id": weights, "bias_id": None}, (rows.shape[0], 1)
    )


def layer_norm(emitter: Emitter, node: Node) -> None:
    """aten.layer_norm over the last dimensions, in the operations that the delegate has."""
    named = arguments(node)
    rank, count = len(result_shape(node)), len(named["normalized_shape"])
    value = emitter.dequantized(emitter.activation(named["input"]))
    value = emitter.ordered(value, tuple(range(rank)))
    outer, inner = math.prod(value.layout.shape[: rank - count]), math.prod(value.layout.shape[rank - count :])
    source = emitter.reshaped(value.tensor, (outer, inner))

    def write(kind: str, *inputs: Tensor) -> Tensor:
        names = ("input1_id", "input2_id") if len(inputs) == 2 else ("input_id",)
        shape = max((tensor.shape for tensor in inputs), key=lambda shape: (len(shape), math.prod(shape)))
        return emitter.emit(kind, dict(zip(names, inputs, strict=True)), shape)

    def row_means(tensor: Tensor) -> Tensor:
        rows = Value(tensor, Layout((outer, inner), (0, 1)))
        return emitter.reshaped(reduced_value(emitter, node, rows, {1}, None).tensor, (outer, 1))

    centred, eps = write("Subtract", source, row_means(source)), named["eps"]
    if emitter.real is DataType.FP16:
        centred = write("Multiply", centred, number(emitter, node, FP16_NORM_SCALE))
        eps = max(eps * FP16_NORM_SCALE**2, SMALLEST_FP16)
    variance = row_means(write("Square", centred))
    deviation = write("ReciprocalSquareRoot", write("Add", variance, number(emitter, node, eps)))
    result = write("Multiply", centred, deviation)
    for kind, role in (("Multiply", "weight"), ("Add", "bias")):
        parameter = optional_constant(emitter, node, named[role])
        if parameter is not None:
            result = write(kind, result, emitter.parameter(parameter.array.reshape(inner), node))
    emitter.bind(node, Value(result, value.layout))
