"""Grouped convolutions of float values whose weights are int8 behind a DEQUANTIZE, with float weights in their place.

LiteRT's GPU accelerator and LiteRT.js on WebGPU compute these wrongly as well, without an error, and those with float weights rightly. The
weights are small, a group's share of a dense layer's. Values are those that the DEQUANTIZE gives.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converters.tflite.graph import DataType, Graph, Operation, Tensor
from converters.tflite.passes.unread import without_unread


def float_groups(graph: Graph) -> Graph:
    """`graph` without grouped CONV_2D of weights that are unpacked from int8."""
    unpacked = {id(one.output): one.inputs[0] for one in graph.operations if one.code == "DEQUANTIZE"}
    operations = []
    for operation in graph.operations:
        stored = unpacked.get(id(operation.inputs[1])) if operation.code == "CONV_2D" else None
        if stored is not None and stored.dtype is DataType.INT8 and reads_a_group(operation):
            source, weight, bias = operation.inputs
            assert weight is not None
            operation = replace(operation, inputs=(source, dequantized(stored, weight.name), bias))
        operations.append(operation)
    return without_unread(replace(graph, operations=operations))


def reads_a_group(operation: Operation) -> bool:
    """Whether the weight of a CONV_2D reads fewer channels than the input has."""
    source, weight, _ = operation.inputs
    assert source is not None
    assert weight is not None
    return weight.shape[3] != source.shape[3]


def dequantized(stored: Tensor, name: str) -> Tensor:
    """An int8 weight (O, kh, kw, I / groups) with a scale per output channel as a float one."""
    assert stored.data is not None
    assert stored.quantization is not None
    scales = np.array(stored.quantization.scales, np.float32).reshape(-1, 1, 1, 1)
    return Tensor(name=name, shape=stored.shape, dtype=DataType.FLOAT32, data=stored.data.astype(np.float32) * scales)
