"""Operations that move or rename elements. They keep the type: int8 stays int8 and is converted where it is read as float."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

import numpy as np
from torch.fx import Node

from converters.executorch.emitter import Constant, Emitter, Value
from converters.executorch.graph import Tensor
from converters.tflite.graph import Quantization
from converters.tflite.layout import Layout, Shape, view
from converters.tflite.program import arguments, result_shape, unsupported

MAX_CONCATENATED = 5
"""The schema's limit on the inputs of one concatenation."""


def reshape(emitter: Emitter, node: Node) -> None:
    """view, reshape, flatten, unsqueeze, squeeze, and whatever else keeps the elements in logical order."""
    value = emitter.activation(node.all_input_nodes[0])
    emitter.bind(node, emitter.viewed(value, view(value.layout, result_shape(node))))


def permute(emitter: Emitter, node: Node) -> None:
    """aten.permute: bookkeeping only."""
    value = emitter.activation(node.all_input_nodes[0])
    rank = len(value.layout.shape)
    dims = tuple(int(dim) % rank for dim in arguments(node)["dims"])
    emitter.bind(node, Value(value.tensor, value.layout.permuted(dims)))


def transpose(emitter: Emitter, node: Node) -> None:
    """aten.transpose, aten.t: bookkeeping only."""
    value = emitter.activation(node.all_input_nodes[0])
    named, dims = arguments(node), list(range(len(value.layout.shape)))
    first, second = named.get("dim0", 0), named.get("dim1", 1)
    dims[first], dims[second] = dims[second], dims[first]
    emitter.bind(node, Value(value.tensor, value.layout.permuted(tuple(dims))))


def same(emitter: Emitter, node: Node) -> None:
    """clone, contiguous, dropout and the like: the value itself."""
    emitter.bind(node, emitter.activation(node.all_input_nodes[0]))


@dataclass(frozen=True, slots=True)
class Along:
    """A value seen as `shape` so that its logical dimension is the whole of `axis`."""

    tensor: Tensor
    axis: int

    @property
    def others(self) -> Shape:
        """The shape without the axis."""
        return self.tensor.shape[: self.axis] + self.tensor.shape[self.axis + 1 :]


def along(emitter: Emitter, value: Value, dim: int) -> Along:
    """`value` with `dim` as one axis: its tensor as it lies if that has such an axis, else reshaped to its layout."""
    place, stored = value.layout.place(dim), value.layout.stored
    inner = math.prod(stored[place + 1 :])
    for axis, size in enumerate(value.tensor.shape):
        if size == stored[place] and math.prod(value.tensor.shape[axis + 1 :]) == inner:
            return Along(value.tensor, axis)
    return Along(emitter.stored(value), place)


def slice_along(emitter: Emitter, value: Value, dim: int, begin: int, size: int) -> Value:
    """`size` elements of logical dimension `dim` from `begin` on."""
    if size == value.layout.shape[dim]:
        return value
    source = along(emitter, value, dim)
    shape = (*source.tensor.shape[: source.axis], size, *source.tensor.shape[source.axis + 1 :])
    tensor = emitter.emit(
        "StaticSlice",
        {"input_id": source.tensor},
        shape,
        quantization=source.tensor.quantization,
        num_dims=len(shape),
        offsets=[begin if axis == source.axis else 0 for axis in range(len(shape))],
        sizes=list(shape),
    )
    logical = tuple(size if index == dim else old for index, old in enumerate(value.layout.shape))
    return Value(tensor, Layout(logical, value.layout.order))


def slice_tensor(emitter: Emitter, node: Node) -> None:
    """aten.slice with step 1."""
    named = arguments(node)
    if named["step"] != 1:
        raise unsupported(node, f"with step {named['step']}", "slice with step 1: XNNPACK takes no other")
    value = emitter.activation(named["self"])
    dim = named["dim"] % len(value.layout.shape)
    begin, end, _ = slice(named["start"], named["end"]).indices(value.layout.shape[dim])
    emitter.bind(node, slice_along(emitter, value, dim, begin, end - begin))


def select(emitter: Emitter, node: Node) -> None:
    """aten.select: one element of a dimension, which goes away."""
    named = arguments(node)
    value = emitter.activation(named["self"])
    dim = named["dim"] % len(value.layout.shape)
    part = slice_along(emitter, value, dim, named["index"] % value.layout.shape[dim], 1)
    emitter.bind(node, emitter.viewed(part, view(part.layout, result_shape(node))))


def split(emitter: Emitter, node: Node) -> None:
    """split, split_with_sizes, chunk: a slice for each result that is read."""
    named = arguments(node)
    value = emitter.activation(named["self"])
    dim = named["dim"] % len(value.layout.shape)
    sizes = [int(part.shape[dim]) for part in node.meta["val"]]
    for user in node.users:
        if user.target is not operator.getitem:
            raise unsupported(user, "of a list of tensors", "read the parts one by one")
        index = int(user.args[1])  # type: ignore[arg-type]
        emitter.bind(user, slice_along(emitter, value, dim, sum(sizes[:index]), sizes[index]))


def concatenate(emitter: Emitter, node: Node) -> None:
    """aten.cat: int8 when all parts are and the result is (or they share their parameters), else float."""
    named = arguments(node)
    parts = [emitter.activation(part) for part in named["tensors"]]
    dim = named["dim"] % len(result_shape(node))
    epilogue = emitter.epilogue(node, int8=all(part.quantization for part in parts), clamp=False)
    quantization = epilogue.quantization or shared_quantization(parts)
    if quantization is None:
        parts = [emitter.dequantized(part) for part in parts]
    else:
        parts = [emitter.quantized(part, quantization) for part in parts]
    order = parts[0].layout.order
    parts = [emitter.ordered(part, order) for part in parts]
    sources = [along(emitter, part, dim) for part in parts]
    if len({(source.axis, source.others) for source in sources}) > 1:
        sources = [Along(emitter.stored(part), part.layout.place(dim)) for part in parts]
    tensor = join(emitter, [source.tensor for source in sources], sources[0].axis, quantization)
    emitter.finish(node, epilogue, Value(tensor, Layout(result_shape(node), order)))


def shared_quantization(parts: list[Value]) -> Quantization | None:
    """The one quantization of all parts, or None."""
    quantizations = {part.quantization for part in parts}
    return quantizations.pop() if len(quantizations) == 1 else None


def join(emitter: Emitter, tensors: list[Tensor], axis: int, quantization: Quantization | None) -> Tensor:
    """Concatenates any number of tensors, a handful at a time."""
    while len(tensors) > MAX_CONCATENATED:
        groups = np.array_split(np.arange(len(tensors)), -(-len(tensors) // MAX_CONCATENATED))
        tensors = [join(emitter, [tensors[index] for index in group], axis, quantization) for group in groups]
    if len(tensors) == 1:
        return tensors[0]
    first = tensors[0].shape
    shape = (*first[:axis], sum(tensor.shape[axis] for tensor in tensors), *first[axis + 1 :])
    inputs: dict[str, Tensor | None] = {f"input{position}_id": None for position in range(1, MAX_CONCATENATED + 1)}
    inputs.update((f"input{position}_id", tensor) for position, tensor in enumerate(tensors, 1))
    return emitter.emit(f"Concatenate{len(tensors)}", inputs, shape, quantization=quantization, axis=axis)


def pad(emitter: Emitter, node: Node) -> None:
    """aten.constant_pad_nd, aten.pad, with zeros."""
    named = arguments(node)
    if named.get("mode", "constant") != "constant" or (named["value"] or 0) != 0 or min(named["pad"]) < 0:
        raise unsupported(node, f"with {named}", "pad with zeros")
    value = emitter.activation(named["self"])
    if not any(named["pad"]):
        return emitter.bind(node, value)
    amounts = [(0, 0)] * len(value.layout.shape)
    for index, pair in enumerate(zip(named["pad"][::2], named["pad"][1::2], strict=True)):
        amounts[-1 - index] = pair
    layout = Layout(result_shape(node), value.layout.order)
    tensor = emitter.emit(
        "StaticConstantPad",
        {"input_id": emitter.stored(value)},
        layout.stored,
        quantization=value.quantization,
        pre_paddings=[amounts[dim][0] for dim in layout.order],
        post_paddings=[amounts[dim][1] for dim in layout.order],
        padding_value=0.0,
    )
    return emitter.bind(node, Value(tensor, layout))


def expand(emitter: Emitter, node: Node) -> None:
    """aten.expand that changes nothing."""
    value = emitter.values[node.all_input_nodes[0]]
    shape = value.shape if isinstance(value, Constant) else value.layout.shape
    if shape != result_shape(node):
        raise unsupported(node, f"from {shape} to {result_shape(node)}", "let the next operation broadcast")
    same(emitter, node)
