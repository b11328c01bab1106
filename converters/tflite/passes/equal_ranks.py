"""Int8 sums and products of operands of different rank as such of equal rank.

LiteRT's GPU accelerator gives constant outputs for an int8 product of [1, 1280] and [1, 1, 1], and says so only in a log.
"""

from __future__ import annotations

from dataclasses import replace

from converters.tflite.graph import DataType, Graph, Operation, Tensor
from converters.tflite.passes.movement import reshape

BINARY = ("ADD", "SUB", "MUL")


def equal_ranks(graph: Graph) -> Graph:
    """`graph` with a RESHAPE of every int8 activation that has fewer dimensions than the sum or product of it."""
    operations: list[Operation] = []
    for operation in graph.operations:
        operations += widened(operation) if operation.code in BINARY else [operation]
    return replace(graph, operations=operations)


def widened(operation: Operation) -> list[Operation]:
    """`operation` behind what gives its operands its rank."""
    rank = len(operation.output.shape)
    operations: list[Operation] = []

    def wide(tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.data is not None or tensor.dtype is not DataType.INT8 or len(tensor.shape) == rank:
            return tensor
        shape = (*(1,) * (rank - len(tensor.shape)), *tensor.shape)
        operations.append(reshape(tensor, shape, name=f"{operation.output.name}/operand{len(operations)}"))
        return operations[-1].output

    inputs = tuple(wide(tensor) for tensor in operation.inputs)
    return [*operations, replace(operation, inputs=inputs)]
