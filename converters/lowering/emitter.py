"""The state of one conversion, as far as it is the same for every runtime: which value each node has, and when to move memory.

Three things are put off until somebody needs them, and done once: reshapes (an activation's tensor may have another shape than its
layout, with the same elements in the same order), transposes, and conversions to float (a dequantize node yields the int8
activation itself).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from torch.fx import Node

from converters.lowering.arithmetic import Arithmetic
from converters.lowering.layout import Layout, Order, Shape, View
from converters.lowering.program import QUANTIZE, arguments, only_user, operator_name, tensor_quantization
from converters.lowering.values import Array, Constant, Quantization, T, Value

Clamp = tuple[float, float]
"""Smallest and largest value that an operation gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue:
    """What follows a node and becomes part of it: a clamp, then a quantize. `last` is the node it ends with; `quantization` that of the
    result.
    """

    last: Node
    clamp: Clamp | None = None
    quantization: Quantization | None = None


class BaseEmitter(ABC, Generic[T]):
    """Writes operations into a runtime's graph. One per conversion; a runtime says how each operation is written.

    With `integer_only` int8 operations are written that XNNPACK does not have.
    """

    integer_only = False

    def __init__(self) -> None:
        self.values: dict[Node, Value[T] | Constant] = {}
        self.absorbed: set[Node] = set()
        self.module = ""  # path of the module that is being written
        self._shared: dict[tuple[Any, ...], T] = {}

    # What a runtime says of its operations

    always_biased = False
    """Whether its layers have a bias in any case."""

    @abstractmethod
    def fuses(self, clamp: Clamp) -> bool:
        """Whether an operation can end with this clamp."""

    def has_int8_layer(
        self, weight: Quantization | None, source: Quantization | None, result: Quantization | None
    ) -> bool:
        """Whether a convolution or linear layer is int8 with these numbers: all quantized, the weight per output channel."""
        return weight is not None and source is not None and result is not None and weight.axis == 0

    # How it writes parameters

    @abstractmethod
    def write_constant(self, array: Array, node: Node) -> T:
        """A float constant that stands for `node`."""

    @abstractmethod
    def write_number(self, value: float, node: Node, quantization: Quantization | None) -> T:
        """One number that `node` computes with: a float, or with `quantization` the int8 code 127, -127 or 0."""

    @abstractmethod
    def float_weight(self, weight: Constant, order: Order, axis: int, node: Node) -> T:
        """The weight of a float layer, permuted to `order`, which puts its output channels at `axis`."""

    @abstractmethod
    def float_parameter(self, array: Array, node: Node, *, role: str, wide: bool = False) -> T:
        """A float parameter of `node`; with `wide` one that a convolution wants in float32 in any case."""

    @abstractmethod
    def coded_parameter(self, codes: Array, quantization: Quantization, node: Node, *, role: str) -> T:
        """A parameter of an int8 operation, int8 or int32."""

    # How it writes operations, each named like the node that it stands for

    @abstractmethod
    def quantized(self, value: Value[T], quantization: Quantization, *, name: str = "") -> Value[T]:
        """`value` as int8 with these numbers: as it is, or converted from float or from other numbers."""

    @abstractmethod
    def dequantize(self, tensor: T) -> T:
        """Writes the conversion of an int8 tensor to float."""

    @abstractmethod
    def write_reshape(self, tensor: T, shape: Shape) -> T:
        """Writes a reshape: other dimensions, the elements in the same order."""

    @abstractmethod
    def write_transpose(self, tensor: T, permutation: Order) -> T:
        """Writes a transpose of stored dimensions."""

    @abstractmethod
    def write_slice(self, tensor: T, axis: int, begin: int, size: int, *, name: str) -> T:
        """Writes a slice: `size` elements of a stored dimension from `begin` on."""

    @abstractmethod
    def write_concatenation(
        self, tensors: Sequence[T], axis: int, shape: Shape, *, name: str, quantization: Quantization | None
    ) -> T:
        """Writes a concatenation along a stored dimension, to `shape`."""

    @abstractmethod
    def write_pad(self, tensor: T, amounts: Sequence[tuple[int, int]], *, name: str) -> T:
        """Writes zeros around a tensor, (before, after) of each stored dimension."""

    @abstractmethod
    def write_binary(
        self, kind: Arithmetic, operands: Sequence[T], shape: Shape, epilogue: Epilogue, *, name: str
    ) -> T:
        """Writes an operation of two operands that broadcast to `shape`."""

    @abstractmethod
    def write_product(
        self, x: T, y: T, shape: Shape, *, transposed: bool, name: str, quantization: Quantization | None
    ) -> T:
        """Writes the product of x (..., rows, k) and y (..., k, columns), which with `transposed` is stored as (..., columns, k)."""

    @abstractmethod
    def write_linear(self, value: Value[T], weight: T, bias: T | None, epilogue: Epilogue, *, name: str) -> T:
        """Writes (..., I) x (O, I) -> (..., O)."""

    @abstractmethod
    def write_softmax(self, tensor: T, *, name: str, quantization: Quantization | None) -> T:
        """Writes a softmax over the innermost stored dimension."""

    # What a node becomes part of

    def epilogue(self, node: Node, *, int8: bool, clamp: bool = True) -> Epilogue:
        """What can be fused into `node`: with `clamp` a clamp, with `int8` the quantize that follows."""
        last, limits = node, None
        follower = only_user(node)
        if clamp and follower is not None and (limits := self._fused_clamp(follower)) is not None:
            last = follower
        end = only_user(last)
        if int8 and end is not None and operator_name(end) == QUANTIZE:
            return Epilogue(last=end, clamp=limits, quantization=tensor_quantization(end))
        return Epilogue(last=last, clamp=limits)

    def _fused_clamp(self, node: Node) -> Clamp | None:
        limits = clamp_limits(node)
        return limits if limits is not None and self.fuses(limits) else None

    # Values of nodes

    def bind(self, node: Node, value: Value[T] | Constant) -> None:
        """Gives `node` its value."""
        self.values[node] = value

    def finish(self, node: Node, epilogue: Epilogue, value: Value[T]) -> None:
        """Gives `value` to the last node of the epilogue; the nodes before it are done with."""
        while node is not epilogue.last:
            self.absorbed.add(node)
            (node,) = node.users
        self.values[node] = value

    def activation(self, node: Node) -> Value[T]:
        """The value of a node as an activation; a constant is written in natural order."""
        value = self.values[node]
        if isinstance(value, Value):
            return value
        tensor = self.write_constant(value.array, node)
        return Value(tensor, Layout(value.shape, tuple(range(len(value.shape)))))

    # Putting a value into the form that an operation needs

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gave when it was first asked for under `key`."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def dequantized(self, value: Value[T]) -> Value[T]:
        """`value` as float, converted once for all who ask."""
        if value.quantization is None:
            return value
        tensor = self.once(("float", id(value.tensor)), lambda: self.dequantize(value.tensor))
        return replace(value, tensor=tensor)

    def stored(self, value: Value[T]) -> T:
        """The tensor in the shape that the layout says it has."""
        return self.reshaped(value.tensor, value.layout.stored)

    def rows(self, value: Value[T]) -> T:
        """The tensor with the innermost dimension that the layout says it has; the others may be stored in any shape."""
        return value.tensor if value.tensor.shape[-1:] == value.layout.stored[-1:] else self.stored(value)

    def reshaped(self, tensor: T, shape: Shape) -> T:
        """The tensor in another shape, its elements in the same order."""
        if tensor.shape == shape:
            return tensor
        return self.once(("reshape", id(tensor), shape), lambda: self.write_reshape(tensor, shape))

    def transposed(self, tensor: T, permutation: Order) -> T:
        """The tensor with its stored dimensions permuted."""
        return self.once(("transpose", id(tensor), permutation), lambda: self.write_transpose(tensor, permutation))

    def ordered(self, value: Value[T], order: Order) -> Value[T]:
        """`value` stored in `order`."""
        layout = Layout(value.layout.shape, order)
        if value.layout.same_memory(order):
            return Value(value.tensor, layout)
        permutation = tuple(value.layout.place(dim) for dim in order)
        return Value(self.transposed(self.stored(value), permutation), layout)

    def innermost(self, value: Value[T], dim: int) -> Value[T]:
        """`value` with logical dimension `dim` stored innermost, the others in the order they have."""
        return self.ordered(value, (*(other for other in value.layout.order if other != dim), dim))

    def viewed(self, value: Value[T], plan: View) -> Value[T]:
        """`value` after a view."""
        if plan.permutation is None:
            return Value(value.tensor, plan.layout)
        source = self.reshaped(value.tensor, plan.source)
        return Value(self.transposed(source, plan.permutation), plan.layout)


def clamp_limits(node: Node) -> Clamp | None:
    """The limits if the node is a clamp under any of its names."""
    match operator_name(node):
        case "aten.relu.default" | "aten.relu_.default":
            return 0.0, math.inf
        case "aten.relu6.default" | "aten.relu6_.default":
            return 0.0, 6.0
        case "aten.hardtanh.default" | "aten.hardtanh_.default":
            limits = arguments(node)["min_val"], arguments(node)["max_val"]
        case "aten.clamp.default" | "aten.clamp_.default":
            limits = arguments(node)["min"], arguments(node)["max"]
        case "aten.clamp_min.default":
            limits = arguments(node)["min"], None
        case _:
            return None
    lower, upper = limits
    return -math.inf if lower is None else float(lower), math.inf if upper is None else float(upper)
