"""The state of one conversion, as far as it is the same for every runtime: which value each node has, and when to move memory.

Three things are put off until somebody needs them, and done once: reshapes (an activation's tensor may have another shape than its
layout, with the same elements in the same order), transposes, and conversions to float (a dequantize node yields the int8
activation itself).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic

from torch.fx import Node

from converters.lowering.layout import Layout, Order, Shape, View
from converters.lowering.values import Array, Constant, Quantization, T, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """What follows a node and becomes part of it. `last` is the node it ends with; `quantization` that of the result."""

    last: Node
    quantization: Quantization | None = None


class BaseEmitter(ABC, Generic[T]):
    """Writes operations into a runtime's graph. One per conversion; a runtime says how each operation is written."""

    def __init__(self) -> None:
        self.values: dict[Node, Value[T] | Constant] = {}
        self.absorbed: set[Node] = set()
        self.module = ""  # path of the module that is being written
        self._shared: dict[tuple[Any, ...], T] = {}

    # What a runtime says

    @abstractmethod
    def epilogue(self, node: Node, *, int8: bool, clamp: bool = True) -> Fused:
        """What can be fused into `node`: with `clamp` a clamp, with `int8` the quantize that follows."""

    @abstractmethod
    def write_constant(self, array: Array, node: Node) -> T:
        """A float constant that stands for `node`."""

    @abstractmethod
    def dequantize(self, tensor: T) -> T:
        """Writes the conversion of an int8 tensor to float."""

    @abstractmethod
    def write_reshape(self, tensor: T, shape: Shape) -> T:
        """Writes a reshape: other dimensions, the elements in the same order."""

    @abstractmethod
    def write_transpose(self, tensor: T, permutation: Order) -> T:
        """Writes a transpose of stored dimensions."""

    # Values of nodes

    def bind(self, node: Node, value: Value[T] | Constant) -> None:
        """Gives `node` its value."""
        self.values[node] = value

    def finish(self, node: Node, epilogue: Fused, value: Value[T]) -> None:
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
