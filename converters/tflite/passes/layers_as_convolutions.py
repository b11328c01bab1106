"""Linear layers with int8 weights behind a DEQUANTIZE as convolutions of one pixel per row.

LiteRT's GPU accelerator does not compile such a FULLY_CONNECTED ("Shape mismatch", google-ai-edge/LiteRT issue 9523); it takes the CONV_2D.

Shapes: rows (..., I) x weight (O, I) -> (..., O) becomes (1, 1, rows, I) x (O, 1, 1, I) -> (1, 1, rows, O).
"""

from __future__ import annotations

import math
from dataclasses import replace

from converters.tflite.graph import Graph, Operation, Padding, Tensor
from converters.tflite.passes.movement import reshape
from converters.tflite.passes.outputs_in_fours import unpacks_int8

MATRIX_RANK = 2
UNIT = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


def layers_as_convolutions(graph: Graph) -> Graph:
    """`graph` without FULLY_CONNECTED of weights that are unpacked from int8."""
    filters: dict[int, Tensor] = {}  # by the id of the matrix that they are
    operations: list[Operation] = []
    for operation in graph.operations:
        if unpacks_a_matrix(operation):
            unpacked = as_filters(operation)
            filters[id(operation.output)] = unpacked.output
            operations.append(unpacked)
        elif operation.code == "FULLY_CONNECTED" and id(operation.inputs[1]) in filters:
            operations += as_convolution(operation, filters[id(operation.inputs[1])])
        else:
            operations.append(operation)
    return replace(graph, operations=operations)


def unpacks_a_matrix(operation: Operation) -> bool:
    """Whether it is the DEQUANTIZE of a linear layer's int8 weight; those of convolutions have four dimensions."""
    stored = operation.inputs[0]
    return stored is not None and unpacks_int8(operation) and len(stored.shape) == MATRIX_RANK


def as_filters(operation: Operation) -> Operation:
    """The DEQUANTIZE of (O, I) as one of (O, 1, 1, I)."""
    stored, matrix = operation.inputs[0], operation.output
    assert stored is not None
    assert stored.data is not None
    outputs, inputs = stored.shape
    shape = (outputs, 1, 1, inputs)
    filters = replace(stored, shape=shape, data=stored.data.reshape(shape))
    return replace(operation, inputs=(filters,), output=replace(matrix, shape=shape))


def as_convolution(operation: Operation, filters: Tensor) -> list[Operation]:
    """The layer as RESHAPE, CONV_2D, RESHAPE."""
    source, _, bias = operation.inputs
    assert source is not None
    outputs, inputs, result = filters.shape[0], filters.shape[-1], operation.output
    rows = math.prod(source.shape) // inputs
    pixels = reshape(source, (1, 1, rows, inputs), name=f"{result.name}/pixels")
    convolution = Operation(
        code="CONV_2D",
        inputs=(pixels.output, filters, bias),
        output=replace(result, name=f"{result.name}/row", shape=(1, 1, rows, outputs)),
        options={
            "padding": Padding.VALID,
            **UNIT,
            "fusedActivationFunction": operation.options["fusedActivationFunction"],
        },
    )
    return [pixels, convolution, reshape(convolution.output, result.shape, name=result.name, output=result)]
