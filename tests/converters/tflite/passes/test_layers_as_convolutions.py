"""Linear layers with int8 weights as convolutions of one pixel a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.lowering.values import Quantization
from converters.quantized_program import quantize_program
from converters.tflite.graph import Activation, DataType, Graph, Operation
from converters.tflite.graph import Tensor as Stored
from converters.tflite.passes.layers_as_convolutions import layers_as_convolutions
from evit_mobile.quantization import make_plan
from tests.converters.tflite.passes.detected import (
    files,
    graphs,
    matrices_unpacked,
)
from tests.converters.tflite.tflite_helpers import partitions, run, stored
from tests.lowering_helpers import export


@pytest.mark.parametrize("shape", [(1, 12), (1, 5, 12)])
def test_layers_with_int8_weights_are_convolutions(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    program = export(nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 7, bias=False)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, cpu = graphs(program, Precision.INT8_WEIGHTS)
    assert (len(matrices_unpacked(everywhere)), len(matrices_unpacked(cpu))) == (0, 2)
    assert "FULLY_CONNECTED" not in {operation.code for operation in everywhere.operations}
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-6, atol=1e-6)
    assert partitions(ours) == partitions(theirs) == 1


def layers(*codes: str, packed: Stored) -> Graph:
    """An unpacked matrix (3, 2) that operations of these kinds read."""
    source, matrix = stored((5, 2)), stored((3, 2), name="matrix")
    operations = [Operation(code="DEQUANTIZE", inputs=(packed,), output=matrix, options={})]
    for number, code in enumerate(codes):
        operations.append(
            Operation(
                code=code,
                inputs=(source, matrix, stored((3,), name="bias")),
                output=stored((5, 3), name=f"y{number}"),
                options={"fusedActivationFunction": Activation.RELU},
            )
        )
    return Graph(inputs=[source], operations=operations)


PACKED = replace(
    stored((3, 2), Quantization(scales=(1.0,) * 3), "packed"), data=np.arange(6, dtype=np.int8).reshape(3, 2)
)


def test_a_matrix_that_two_layers_read_is_unpacked_once() -> None:
    graph = layers_as_convolutions(layers("FULLY_CONNECTED", "FULLY_CONNECTED", packed=PACKED))
    layer = ["RESHAPE", "CONV_2D", "RESHAPE"]
    assert [operation.code for operation in graph.operations] == ["DEQUANTIZE", *layer, *layer]
    filters = graph.operations[0].output
    assert filters.shape == (3, 1, 1, 2)
    assert graph.operations[0].inputs[0].data.reshape(3, 2).tolist() == PACKED.data.tolist()
    assert [operation.inputs[1] is filters for operation in graph.operations if operation.code == "CONV_2D"] == [
        True
    ] * 2


def test_the_clamp_and_the_result_are_the_layers() -> None:
    graph = layers_as_convolutions(layers("FULLY_CONNECTED", packed=PACKED))
    _, pixels, convolution, back = graph.operations
    assert pixels.output.shape == (1, 1, 5, 2)
    assert convolution.options["fusedActivationFunction"] is Activation.RELU
    assert (back.output.name, back.output.shape) == ("y0", (5, 3))


@pytest.mark.parametrize(
    "packed",
    [replace(PACKED, data=None), replace(PACKED, dtype=DataType.FLOAT16), replace(PACKED, shape=(3, 1, 1, 2))],
    ids=["computed", "half", "filters"],
)
def test_other_matrices_stay(packed: Stored) -> None:
    graph = layers("FULLY_CONNECTED", packed=packed)
    assert layers_as_convolutions(graph).operations == graph.operations
