"""Matrix products of activations.

Shapes: A (..., M, K) @ B (..., K, N) -> (..., M, N). BatchMatrixMultiply computes x (..., rows, k) times y, which may be stored either
way round, but x only as (rows, k). As (A B)^T = B^T A^T, x can be A or B^T; the plan that moves the fewest elements wins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.fx import Node

from converters.executorch.emit.convolution import fully_connected
from converters.executorch.emitter import Constant, Emitter, Value
from converters.tflite.layout import Layout, Order
from converters.tflite.program import arguments, result_shape, unsupported

TRANSPOSE_Y = 1
"""XNN_FLAG_TRANSPOSE_B: y is stored (columns, k)."""


@dataclass(frozen=True, slots=True)
class Side:
    """One factor: its value, the order it must be stored in, and how many elements must move for that."""

    value: Value
    order: Order
    moved: int


def matmul(emitter: Emitter, node: Node) -> None:
    """aten.matmul, aten.bmm."""
    named = arguments(node)
    first, second = (named[name] for name in list(named)[:2])
    left, right = emitter.values[first], emitter.values[second]
    if isinstance(right, Constant) and len(right.shape) == 2 and isinstance(left, Value):
        weight = Constant(right.value.t())
        return fully_connected(
            emitter, node, emitter.dequantized(left), weight, None, emitter.epilogue(node, int8=False)
        )
    if min(len(first.meta["val"].shape), len(second.meta["val"].shape)) < 2:
        raise unsupported(node, "of a vector", "give both factors two dimensions")
    return batch_matmul(emitter, node, emitter.activation(first), emitter.activation(second))


def batch_matmul(emitter: Emitter, node: Node, a: Value, b: Value) -> None:
    """Writes the product, int8 where both factors and the result are and y's zero point is 0, else float."""
    rows, columns = (-2, -1), (-1, -2)
    straight = best_side(a, [rows]), best_side(b, [rows, columns])  # x = A, y = B
    exchanged = best_side(b, [columns]), best_side(a, [columns, rows])  # x = B^T, y = A^T
    x, y = min(straight, exchanged, key=lambda sides: sides[0].moved + sides[1].moved)
    swapped = x is exchanged[0]
    int8 = a.quantization is not None and y.value.quantization is not None and y.value.quantization.zero_point == 0
    epilogue = emitter.epilogue(node, int8=int8 and x.value.quantization is not None, clamp=False)
    left, right = (emitter.ordered(side.value, side.order) for side in (x, y))
    if epilogue.quantization is None:
        left, right = emitter.dequantized(left), emitter.dequantized(right)
    shape = result_shape(node)
    rank = len(shape)
    order = (*range(rank - 2), *((rank - 1, rank - 2) if swapped else (rank - 2, rank - 1)))
    layout = Layout(shape, order)
    y_rows_first = y.order[-2] < y.order[-1]
    output = emitter.emit(
        "BatchMatrixMultiply",
        {"input1_id": emitter.stored(left), "input2_id": emitter.stored(right)},
        layout.stored,
        quantization=epilogue.quantization,
        flags=TRANSPOSE_Y if y_rows_first == swapped else 0,
    )
    emitter.finish(node, epilogue, Value(output, layout))


def best_side(value: Value, endings: list[tuple[int, int]]) -> Side:
    """`value` with its batch dimensions first, then its matrix dimensions in the cheapest of the orders in `endings`."""
    rank = len(value.layout.shape)
    sides = []
    for ending in endings:
        order = (*range(rank - 2), *(rank + dim for dim in ending))
        moved = 0 if value.layout.same_memory(order) else math.prod(value.layout.shape)
        sides.append(Side(value, order, moved))
    return min(sides, key=lambda side: side.moved)
