"""Convolutions of few pixels by filters of one whose weights are int8 behind a DEQUANTIZE, with outputs in fours: filters of zeros
join them, and what these give is cut off.

LiteRT's GPU accelerator adds up less coarsely where such outputs come in fours; elsewhere one fp16 number takes up product after
product. b0's last layer, 1280 products for each of 10 classes: 33.0 dB, with 12 outputs 63.7. With float weights it has 52.4 dB either
way; larger filters and more pixels gain nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from converters.tflite.graph import DataType, Graph, Operation, Tensor
from converters.tflite.passes.movement import slice_innermost
from converters.tflite.passes.unread import without_unread

TOGETHER = 4
FEW = 16
"""Pixels up to which the number of outputs matters: 62 dB at 16, 33 at 25, with 12 outputs (ai-edge-litert 2.3.0)."""


def outputs_in_fours(graph: Graph) -> Graph:
    """`graph` with a multiple of TOGETHER outputs in every such CONV_2D."""
    unpacked = {id(one.output): one for one in graph.operations if unpacks_int8(one)}
    filled: dict[int, Operation] = {}  # by the id of the filters that they take the place of
    operations: list[Operation] = []
    for operation in graph.operations:
        if operation.code != "CONV_2D" or id(operation.inputs[1]) not in unpacked or not falls_short(operation):
            operations.append(operation)
            continue
        filters = id(operation.inputs[1])
        if filters not in filled:
            filled[filters] = with_more_filters(unpacked[filters])
            operations.append(filled[filters])
        operations += cut_back(operation, filled[filters].output)
    return without_unread(replace(graph, operations=operations))


def unpacks_int8(operation: Operation) -> bool:
    """Whether it is the DEQUANTIZE of int8 weights."""
    stored = operation.inputs[0]
    return (
        operation.code == "DEQUANTIZE"
        and stored is not None
        and stored.data is not None
        and stored.dtype is DataType.INT8
    )


def falls_short(operation: Operation) -> bool:
    """Whether a CONV_2D has few pixels, filters of one, and outputs that do not come in fours."""
    filters, (*pixels, outputs) = operation.inputs[1], operation.output.shape
    assert filters is not None
    return filters.shape[1:3] == (1, 1) and math.prod(pixels) <= FEW and outputs % TOGETHER > 0


def with_more_filters(operation: Operation) -> Operation:
    """The DEQUANTIZE of (O, 1, 1, I) as one of so many filters more, all zeros, that they come in fours."""
    stored, filters = operation.inputs[0], operation.output
    assert stored is not None
    wide = more(stored)
    return replace(operation, inputs=(wide,), output=replace(filters, name=f"{filters.name}/fours", shape=wide.shape))


def more(constant: Tensor) -> Tensor:
    """A weight or bias (O, ...) with zeros behind it, up to the next multiple of TOGETHER; a scale of theirs is 1."""
    assert constant.data is not None
    lacking = -len(constant.data) % TOGETHER
    data = np.pad(constant.data, [(0, lacking), *[(0, 0)] * (constant.data.ndim - 1)])
    quantization = constant.quantization
    if quantization is not None and len(quantization.scales) > 1:
        quantization = replace(quantization, scales=(*quantization.scales, *(1.0,) * lacking))
    return replace(constant, name=f"{constant.name}/fours", shape=data.shape, data=data, quantization=quantization)


def cut_back(operation: Operation, filters: Tensor) -> list[Operation]:
    """The convolution with `filters`, and the SLICE that gives the outputs of `operation`."""
    source, _, bias = operation.inputs
    assert bias is not None
    result, outputs = operation.output, operation.output.shape[-1]
    wide = replace(result, name=f"{result.name}/fours", shape=(*result.shape[:-1], filters.shape[0]))
    cut = slice_innermost(wide, 0, outputs, name=result.name)
    return [replace(operation, inputs=(source, filters, more(bias)), output=wide), replace(cut, output=result)]
