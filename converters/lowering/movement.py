"""Operations that only rename dimensions, and the geometry of those that cut, join and pad."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from torch.fx import Node

from converters.lowering.emitter import BaseEmitter
from converters.lowering.layout import Order, Shape, view
from converters.lowering.program import DEQUANTIZE, arguments, result_shape, unsupported
from converters.lowering.values import Constant, Quantization, T, Value


def reshape(emitter: BaseEmitter[T], node: Node) -> None:
    """view, reshape, flatten, unsqueeze, squeeze, and whatever else keeps the elements in logical order."""
    value = emitter.activation(node.all_input_nodes[0])
    emitter.bind(node, emitter.viewed(value, view(value.layout, result_shape(node))))


def permute(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.permute: bookkeeping only."""
    value = emitter.activation(node.all_input_nodes[0])
    rank = len(value.layout.shape)
    dims = tuple(int(dim) % rank for dim in arguments(node)["dims"])
    emitter.bind(node, Value(value.tensor, value.layout.permuted(dims)))


def transpose(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.transpose, aten.t: bookkeeping only."""
    value = emitter.activation(node.all_input_nodes[0])
    named, dims = arguments(node), list(range(len(value.layout.shape)))
    first, second = named.get("dim0", 0), named.get("dim1", 1)
    dims[first], dims[second] = dims[second], dims[first]
    emitter.bind(node, Value(value.tensor, value.layout.permuted(tuple(dims))))


def same(emitter: BaseEmitter[T], node: Node) -> None:
    """clone, contiguous, dropout and the like: the value itself. Of a dequantize the int8 value: who needs a float converts it."""
    emitter.bind(node, emitter.activation(node.all_input_nodes[0]))


def expand(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.expand that changes nothing."""
    value = emitter.values[node.all_input_nodes[0]]
    shape = value.shape if isinstance(value, Constant) else value.layout.shape
    if shape != result_shape(node):
        raise unsupported(node, f"from {shape} to {result_shape(node)}", "let the next operation broadcast")
    same(emitter, node)


@dataclass(frozen=True, slots=True)
class Along(Generic[T]):
    """A value seen as `shape` so that its logical dimension is the whole of `axis`."""

    tensor: T
    axis: int

    @property
    def others(self) -> Shape:
        """The shape without the axis."""
        return self.tensor.shape[: self.axis] + self.tensor.shape[self.axis + 1 :]

    def sized(self, size: int) -> Shape:
        """The shape with `size` elements along the axis."""
        return (*self.tensor.shape[: self.axis], size, *self.tensor.shape[self.axis + 1 :])


def along(emitter: BaseEmitter[T], value: Value[T], dim: int) -> Along[T]:
    """`value` with `dim` as one axis: its tensor as it lies if that has such an axis, else reshaped to its layout."""
    place, stored = value.layout.place(dim), value.layout.stored
    inner = math.prod(stored[place + 1 :])
    for axis, size in enumerate(value.tensor.shape):
        if size == stored[place] and math.prod(value.tensor.shape[axis + 1 :]) == inner:
            return Along(value.tensor, axis)
    return Along(emitter.stored(value), place)


def slice_range(node: Node, value: Value[T]) -> tuple[int, int, int]:
    """(dimension, begin, size) of an aten.slice. Raises ToolchainError for a step, which XNNPACK does not take."""
    named = arguments(node)
    if named["step"] != 1:
        raise unsupported(node, f"with step {named['step']}", "slice with step 1: XNNPACK takes no other")
    dim = named["dim"] % len(value.layout.shape)
    begin, end, _ = slice(named["start"], named["end"]).indices(value.layout.shape[dim])
    return dim, begin, end - begin


def shared_quantization(parts: Sequence[Value[T]]) -> Quantization | None:
    """The one quantization of all parts, or None."""
    quantizations = {part.quantization for part in parts}
    return quantizations.pop() if len(quantizations) == 1 else None


def side_by_side(emitter: BaseEmitter[T], parts: Sequence[Value[T]], dim: int) -> tuple[list[Along[T]], Order]:
    """The parts of a concatenation along `dim`, alike but for the size of the axis, and the order they are stored in."""
    order = parts[0].layout.order
    parts = [emitter.ordered(part, order) for part in parts]
    sources = [along(emitter, part, dim) for part in parts]
    if len({(source.axis, source.others) for source in sources}) > 1:
        sources = [Along(emitter.stored(part), part.layout.place(dim)) for part in parts]
    return sources, order


def zero_padding(node: Node) -> list[tuple[int, int]]:
    """(before, after) of each logical dimension that a pad node adds. Raises ToolchainError for anything but zeros."""
    named = arguments(node)
    if named.get("mode", "constant") != "constant" or (named["value"] or 0) != 0 or min(named["pad"]) < 0:
        raise unsupported(node, f"with {named}", "pad with zeros")
    amounts = [(0, 0)] * len(result_shape(node))
    for index, pair in enumerate(zip(named["pad"][::2], named["pad"][1::2], strict=True)):
        amounts[-1 - index] = pair
    return amounts


RENAMING: dict[str, Callable[[BaseEmitter[Any], Node], None]] = {
    "aten._unsafe_view.default": reshape,
    "aten.alias.default": same,
    "aten.clone.default": same,
    "aten.contiguous.default": same,
    "aten.detach.default": same,
    "aten.dropout.default": same,
    "aten.expand.default": expand,
    "aten.flatten.using_ints": reshape,
    "aten.permute.default": permute,
    "aten.reshape.default": reshape,
    "aten.squeeze.dim": reshape,
    "aten.squeeze.dims": reshape,
    "aten.t.default": transpose,
    "aten.transpose.int": transpose,
    "aten.unsqueeze.default": reshape,
    "aten.view.default": reshape,
    DEQUANTIZE: same,
}
"""The operators that become no operation of their own, in any format."""
