"""Grouped int8 convolutions as dense ones, whose weights between groups are 0.

LiteRT's GPU accelerator and LiteRT.js on WebGPU compute a grouped CONV_2D in int8 wrongly, without an error; in float they are right.
Codes stay: a weight of 0 adds nothing, and scales are those of output channels.

Where there are many channels the zeros cost more than moving memory: as many groups as have WIDTH input channels together become one
convolution, of a slice of the input. Measured on x86 for 512 channels in 16 groups: grouped 8 us, dense 61, in slices of 64 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from converters.lowering.values import Array
from converters.tflite.graph import DataType, Graph, Operation, Tensor
from converters.tflite.passes.movement import concatenate_innermost, slice_innermost

WIDTH = 64


def dense_convolutions(graph: Graph) -> Graph:
    """`graph` without grouped int8 CONV_2D."""
    operations: list[Operation] = []
    for operation in graph.operations:
        operations += dense(operation) if grouped_int8(operation) else [operation]
    return replace(graph, operations=operations)


def grouped_int8(operation: Operation) -> bool:
    """Whether it is a CONV_2D of int8 whose weight reads fewer channels than the input has."""
    if operation.code != "CONV_2D":
        return False
    source, weight, _ = operation.inputs
    assert source is not None
    assert weight is not None
    return source.dtype is DataType.INT8 and weight.shape[3] != source.shape[3]


def dense(operation: Operation) -> list[Operation]:
    """The convolution as one, or as one for each slice of the input."""
    source, weight, bias = operation.inputs
    assert source is not None
    assert weight is not None
    assert bias is not None
    channels, result = source.shape[3], operation.output
    ranges = list(slices(channels, weight.shape[3]))
    if len(ranges) == 1:
        return [replace(operation, inputs=(source, widened(weight, channels), bias))]
    operations: list[Operation] = []
    parts: list[Tensor] = []
    for number, (begin, size) in enumerate(ranges):
        first, count = (weight.shape[0] * place // channels for place in (begin, size))
        name = f"{result.name}/slice{number}"
        part = slice_innermost(source, begin, size, name=f"{name}/input")
        parts.append(replace(result, name=name, shape=(*result.shape[:-1], count)))
        filters = widened(outputs(weight, first, count, number), size)
        inputs = (part.output, filters, outputs(bias, first, count, number))
        operations += [part, replace(operation, inputs=inputs, output=parts[-1])]
    return [*operations, *concatenate_innermost(parts, result)]


def slices(channels: int, group: int) -> Iterator[tuple[int, int]]:
    """(begin, size) of parts of whole groups with at most WIDTH of the channels each, or one group."""
    size = max(group, WIDTH // group * group)
    for begin in range(0, channels, size):
        yield begin, min(size, channels - begin)


def outputs(parameter: Tensor, first: int, count: int, number: int) -> Tensor:
    """The weight or bias of `count` output channels from `first` on."""
    assert parameter.data is not None
    data = parameter.data[first : first + count]
    quantization = parameter.quantization
    if quantization is not None and len(quantization.scales) > 1:
        quantization = replace(quantization, scales=quantization.scales[first : first + count])
    return replace(
        parameter, name=f"{parameter.name}/slice{number}", shape=data.shape, data=data, quantization=quantization
    )


def widened(weight: Tensor, channels: int) -> Tensor:
    """The weight with zeros between groups, reading all of `channels`."""
    assert weight.data is not None
    codes = block_diagonal(weight.data, channels)
    return replace(weight, shape=codes.shape, data=codes)


def block_diagonal(weight: Array, channels: int) -> Array:
    """(O, kh, kw, I / groups) -> (O, kh, kw, I), I being `channels`: each group's filters read the channels of the group."""
    count, height, width, inputs = weight.shape
    groups = channels // inputs
    blocks = weight.reshape(groups, count // groups, height, width, inputs)
    wide = np.zeros((groups, count // groups, height, width, groups, inputs), weight.dtype)
    for group, block in enumerate(blocks):
        wide[group, :, :, :, group] = block
    return wide.reshape(count, height, width, channels)
