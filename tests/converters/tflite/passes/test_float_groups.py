"""Grouped convolutions of floats have float weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.lowering.values import Quantization
from converters.quantized_program import quantize_program
from converters.tflite.graph import DataType, Graph, Operation
from converters.tflite.passes.float_groups import float_groups
from evit_mobile.quantization import make_plan
from tests.converters.tflite.passes.detected import (
    GROUPED,
    IMAGE,
    files,
    graphs,
    unpacked_groups,
)
from tests.converters.tflite.tflite_helpers import partitions, run, stored
from tests.lowering_helpers import export


@pytest.mark.parametrize("name", ["one pixel", "several pixels"])
def test_grouped_convolutions_with_int8_weights_have_float_ones(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    program = export(nn.Sequential(GROUPED[name], nn.ReLU(), nn.Conv2d(GROUPED[name].out_channels, 8, 1)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, cpu = graphs(program, Precision.INT8_WEIGHTS)
    assert (len(unpacked_groups(everywhere)), len(unpacked_groups(cpu))) == (0, 1)
    assert [one.code for one in everywhere.operations].count("DEQUANTIZE") == 1
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_array_equal(run(ours, x), run(theirs, x))
    assert partitions(ours) == partitions(theirs) == 1


CODES = np.arange(-4, 4, dtype=np.int8).reshape(4, 1, 1, 2)
PACKED = replace(stored(CODES.shape, Quantization(scales=(0.5, 0.25, 1.0, 2.0)), "packed"), data=CODES)


def convolution(channels: int, reader: bool = False) -> Graph:
    """A CONV_2D of an unpacked weight that reads two channels; with `reader` the weight is an output, too."""
    source, unpacked, bias = stored((1, 1, 1, channels)), stored(CODES.shape, name="weight"), stored((4,), name="bias")
    result = stored((1, 1, 1, 4), name="y")
    unpacking = Operation(code="DEQUANTIZE", inputs=(PACKED,), output=unpacked, options={})
    layer = Operation(code="CONV_2D", inputs=(source, unpacked, bias), output=result, options={})
    return Graph(inputs=[source], outputs=[unpacked, result] if reader else [result], operations=[unpacking, layer])


def test_the_float_weight_is_what_the_dequantize_gives() -> None:
    (layer,) = float_groups(convolution(4)).operations
    weight = layer.inputs[1]
    assert (weight.name, weight.dtype, weight.quantization) == ("weight", DataType.FLOAT32, None)
    expected = [[-4 * 0.5, -3 * 0.5], [-2 * 0.25, -1 * 0.25], [0, 1], [2 * 2.0, 3 * 2.0]]
    assert weight.data.reshape(4, 2).tolist() == expected


def test_a_dense_one_keeps_its_packed_weight() -> None:
    graph = convolution(2)
    assert float_groups(graph).operations == graph.operations


def test_an_unpacking_that_somebody_else_reads_stays() -> None:
    operations = float_groups(convolution(4, reader=True)).operations
    assert [operation.code for operation in operations] == ["DEQUANTIZE", "CONV_2D"]
    assert operations[1].inputs[1] is not operations[0].output
