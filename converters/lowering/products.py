"""Matrix products: of activations, and of an activation with constant weights.

Shapes: A (..., M, K) @ B (..., K, N) -> (..., M, N). The runtimes compute x (..., rows, k) times y, which may be stored either
way round, but x only as (rows, k). As (A B)^T = B^T A^T, x can be A or B^T; the plan that transposes the fewest elements wins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from torch.fx import Node

from converters.lowering.emitter import BaseEmitter
from converters.lowering.layout import Layout, Order
from converters.lowering.program import arguments, result_shape, unsupported
from converters.lowering.values import Array, Constant, Quantization, T, Value

INT32_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Side(Generic[T]):
    """One factor: its value, the order it must be stored in, and how many elements must move for that."""

    value: Value[T]
    order: Order
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors(Generic[T]):
    """x (..., rows, k) and y, which with `transposed` is stored as (..., columns, k), and the layout of their product."""

    x: Side[T]
    y: Side[T]
    transposed: bool
    layout: Layout

    @property
    def int8(self) -> bool:
        """Whether there is an int8 product of them."""
        return int8_product(self.x, self.y)


def plan_product(node: Node, a: Value[T], b: Value[T], *, integer: bool = False) -> Factors[T]:
    """Which factor becomes x and which y, and how each is stored. With `integer` y is one with zero point 0 if there is one, whatever
    has to move for that.
    """
    rows, columns = (-2, -1), (-1, -2)
    straight = best_side(a, [rows]), best_side(b, [rows, columns])  # x = A, y = B
    exchanged = best_side(b, [columns]), best_side(a, [columns, rows])  # x = B^T, y = A^T

    def cost(sides: tuple[Side[T], Side[T]]) -> tuple[bool, int]:
        x, y = sides
        return integer and not int8_product(x, y), x.moved + y.moved

    x, y = min(straight, exchanged, key=cost)
    swapped = x is exchanged[0]
    shape = result_shape(node)
    rank = len(shape)
    order = (*range(rank - 2), *((rank - 1, rank - 2) if swapped else (rank - 2, rank - 1)))
    y_rows_first = y.order[-2] < y.order[-1]
    return Factors(x=x, y=y, transposed=y_rows_first == swapped, layout=Layout(shape, order))


def int8_product(x: Side[T], y: Side[T]) -> bool:
    """Whether runtimes have the int8 product: both factors are int8, and y's zero point is 0. XNNPACK has no other, and as part of
    LiteRT 2.0.2 to 2.1.2 it takes another zero point as 0 without a word.
    """
    return (
        x.value.quantization is not None and y.value.quantization is not None and y.value.quantization.zero_point == 0
    )


def best_side(value: Value[T], endings: list[tuple[int, int]]) -> Side[T]:
    """`value` with its batch dimensions first, then its matrix dimensions in the cheapest of the orders in `endings`.

    The first is best for a value that has to move anyway: for y, XNNPACK packs (k, columns) faster than its transpose.
    """
    rank = len(value.layout.shape)
    sides = []
    for ending in endings:
        order = (*range(rank - 2), *(rank + dim for dim in ending))
        moved = 0 if value.layout.same_memory(order) else math.prod(value.layout.shape)
        sides.append(Side(value, order, moved))
    return min(sides, key=lambda side: side.moved)


def constant_parameters(emitter: BaseEmitter[T], node: Node) -> tuple[Constant, Constant | None]:
    """The parameters of a convolution or linear layer. Raises ToolchainError if they are computed from the input."""
    named = arguments(node)
    return constant(emitter, node, named["weight"]), optional_constant(emitter, node, named["bias"])


def constant(emitter: BaseEmitter[T], node: Node, source: Node) -> Constant:
    """The weight that `source` stands for. Raises ToolchainError if it is computed from the input."""
    value = emitter.values[source]
    if not isinstance(value, Constant):
        raise unsupported(node, "with a computed weight", "write it as a matmul")
    return value


def optional_constant(emitter: BaseEmitter[T], node: Node, source: Node | None) -> Constant | None:
    """The bias, where there is one."""
    return None if source is None else constant(emitter, node, source)


def pair(value: Any) -> tuple[int, int]:
    """(height, width) of an argument that may be given once for both."""
    numbers = [int(number) for number in value]
    return numbers[0], numbers[-1]


def int32_bias(bias: Array, weight: Quantization, source: Quantization) -> tuple[Array, Quantization]:
    """An int8 operation's bias (O,): int32 codes in units of input scale times weight scale, and those units."""
    units = np.array(weight.scales, np.float64) * source.scale
    codes = np.rint(bias.astype(np.float64) / units).clip(-INT32_LIMIT, INT32_LIMIT).astype(np.int32)
    return codes, Quantization(scales=tuple(units.tolist()))
