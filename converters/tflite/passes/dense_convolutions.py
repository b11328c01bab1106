"""Grouped int8 convolutions as dense ones, whose weights between groups are 0.

LiteRT's GPU accelerator and LiteRT.js on WebGPU compute a grouped CONV_2D in int8 wrongly, without an error; in float they are right.
Codes stay: a weight of 0 adds nothing, and scales are those of output channels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converters.lowering.values import Array
from converters.tflite.graph import DataType, Graph, Operation, Tensor


def dense_convolutions(graph: Graph) -> Graph:
    """`graph` without grouped int8 CONV_2D."""
    operations = [dense(operation) if grouped_int8(operation) else operation for operation in graph.operations]
    return replace(graph, operations=operations)


def grouped_int8(operation: Operation) -> bool:
    """Whether it is a CONV_2D of int8 whose weight reads fewer channels than the input has."""
    if operation.code != "CONV_2D":
        return False
    source, weight, _ = operation.inputs
    assert source is not None
    assert weight is not None
    return source.dtype is DataType.INT8 and weight.shape[3] != source.shape[3]


def dense(operation: Operation) -> Operation:
    source, weight, bias = operation.inputs
    assert source is not None
    assert weight is not None
    assert weight.data is not None
    codes = block_diagonal(weight.data, source.shape[3])
    widened = Tensor(
        name=weight.name, shape=codes.shape, dtype=weight.dtype, quantization=weight.quantization, data=codes
    )
    return replace(operation, inputs=(source, widened, bias))


def block_diagonal(weight: Array, channels: int) -> Array:
    """(O, kh, kw, I / groups) -> (O, kh, kw, I), I being `channels`: each group's filters read the channels of the group."""
    outputs, height, width, inputs = weight.shape
    groups = channels // inputs
    blocks = weight.reshape(groups, outputs // groups, height, width, inputs)
    wide = np.zeros((groups, outputs // groups, height, width, groups, inputs), weight.dtype)
    for group, block in enumerate(blocks):
        wide[group, :, :, :, group] = block
    return wide.reshape(outputs, height, width, channels)
