"""Outputs of convolutions with int8 weights in fours, where a GPU adds up better for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.lowering.values import Quantization
from converters.quantized_program import quantize_program
from converters.tflite.graph import Activation, DataType, Graph, Operation, Padding
from converters.tflite.passes.layers_as_convolutions import UNIT
from converters.tflite.passes.outputs_in_fours import FEW, outputs_in_fours
from evit_mobile.quantization import make_plan
from tests.converters.tflite.passes.detected import files, graphs
from tests.converters.tflite.tflite_helpers import computed, partitions, run, stored
from tests.lowering_helpers import export

OUTPUTS, INPUTS = 6, 3


@pytest.mark.parametrize("shape", [(1, 12), (1, FEW, 12)])
def test_a_layer_of_few_rows_has_outputs_in_fours(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    program = export(nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 7, bias=False)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, _ = graphs(program, Precision.INT8_WEIGHTS)
    assert [one.output.shape[-1] for one in everywhere.operations if one.code == "CONV_2D"] == [12, 8]
    assert [one.code for one in everywhere.operations].count("DEQUANTIZE") == 2
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-6, atol=1e-6)
    assert partitions(ours) == partitions(theirs) == 1


def convolutions(*, pixels: int = 2, outputs: int = OUTPUTS, side: int = 1, count: int = 1) -> Graph:
    """`count` convolutions of (1, 1, pixels, INPUTS) by the same unpacked filters."""
    codes = np.random.default_rng(0).integers(-127, 128, (outputs, side, side, INPUTS)).astype(np.int8)
    scales = tuple(0.01 * (number + 1) for number in range(outputs))
    packed = replace(stored(codes.shape, Quantization(scales=scales), "packed"), data=codes)
    source, filters = stored((1, 1, pixels, INPUTS)), stored(codes.shape, name="filters")
    bias = np.arange(outputs, dtype=np.float32)
    unpacked = Operation(code="DEQUANTIZE", inputs=(packed,), output=filters, options={})
    readers = [
        Operation(
            code="CONV_2D",
            inputs=(source, filters, replace(stored(bias.shape, name=f"bias{number}"), data=bias)),
            output=stored((1, 1, pixels, outputs), name=f"y{number}"),
            options={"padding": Padding.SAME, **UNIT, "fusedActivationFunction": Activation.RELU},
        )
        for number in range(count)
    ]
    return Graph(inputs=[source], outputs=[one.output for one in readers], operations=[unpacked, *readers])


def test_filters_of_zeros_join_them_and_what_they_give_is_cut_off() -> None:
    before = convolutions()
    after = outputs_in_fours(before)
    unpacked, convolution, cut = after.operations
    assert [one.code for one in after.operations] == ["DEQUANTIZE", "CONV_2D", "SLICE"]
    packed, (_, filters, bias) = unpacked.inputs[0], convolution.inputs
    assert (filters, filters.shape, bias.shape) == (unpacked.output, (8, 1, 1, INPUTS), (8,))
    assert (packed.data[OUTPUTS:].any(), packed.quantization.scales[OUTPUTS:]) == (False, (1.0, 1.0))
    assert cut.output is before.outputs[0]
    x = np.random.default_rng(1).normal(size=(1, 1, 2, INPUTS)).astype(np.float32)
    np.testing.assert_array_equal(computed(after, x), computed(before, x))


def test_filters_that_two_convolutions_read_are_unpacked_once() -> None:
    after = outputs_in_fours(convolutions(count=2))
    assert [one.code for one in after.operations] == ["DEQUANTIZE", "CONV_2D", "SLICE", "CONV_2D", "SLICE"]


@pytest.mark.parametrize(
    "options", [{"outputs": 8}, {"pixels": FEW + 1}, {"side": 3}], ids=["in fours", "many pixels", "large filters"]
)
def test_others_stay(options: dict[str, int]) -> None:
    graph = convolutions(**options)
    assert outputs_in_fours(graph).operations == graph.operations


@pytest.mark.parametrize("change", [{"data": None}, {"dtype": DataType.FLOAT16}], ids=["computed", "half"])
def test_filters_of_other_numbers_stay(change: dict[str, object]) -> None:
    graph = convolutions()
    unpacked, convolution = graph.operations
    other = replace(unpacked, inputs=(replace(unpacked.inputs[0], **change),))
    graph = replace(graph, operations=[other, convolution])
    assert outputs_in_fours(graph).operations == graph.operations
