"""Operations that move elements. They keep the type: int8 stays int8 and is converted where it is read as float."""

from __future__ import annotations

import operator

import numpy as np
from torch.fx import Node

from converters.lowering.emitter import BaseEmitter
from converters.lowering.layout import Layout, view
from converters.lowering.movement import along, shared_quantization, side_by_side, slice_range, zero_padding
from converters.lowering.program import arguments, result_shape, tensor_name, unsupported
from converters.lowering.values import Quantization, T, Value

MAX_CONCATENATED = 5
"""XNNPACK's limit on the inputs of one concatenation, and that of ExecuTorch's schema."""


def slice_along(emitter: BaseEmitter[T], value: Value[T], dim: int, begin: int, size: int, name: str) -> Value[T]:
    """`size` elements of logical dimension `dim` from `begin` on."""
    if size == value.layout.shape[dim]:
        return value
    source = along(emitter, value, dim)
    tensor = emitter.write_slice(source.tensor, source.axis, begin, size, name=name)
    logical = tuple(size if index == dim else old for index, old in enumerate(value.layout.shape))
    return Value(tensor, Layout(logical, value.layout.order))


def slice_tensor(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.slice with step 1."""
    value = emitter.activation(arguments(node)["self"])
    emitter.bind(node, slice_along(emitter, value, *slice_range(node, value), tensor_name(node)))


def select(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.select: one element of a dimension, which goes away."""
    named = arguments(node)
    value = emitter.activation(named["self"])
    dim = named["dim"] % len(value.layout.shape)
    index = named["index"] % value.layout.shape[dim]
    part = slice_along(emitter, value, dim, index, 1, tensor_name(node))
    emitter.bind(node, emitter.viewed(part, view(part.layout, result_shape(node))))


def split(emitter: BaseEmitter[T], node: Node) -> None:
    """split, split_with_sizes, chunk: a slice for each result that is read."""
    named = arguments(node)
    value = emitter.activation(named["self"])
    dim = named["dim"] % len(value.layout.shape)
    sizes = [int(part.shape[dim]) for part in node.meta["val"]]
    for user in node.users:
        if user.target is not operator.getitem:
            raise unsupported(user, "of a list of tensors", "read the parts one by one")
        index = int(user.args[1])  # type: ignore[arg-type]
        part = slice_along(emitter, value, dim, sum(sizes[:index]), sizes[index], tensor_name(user))
        emitter.bind(user, part)


def concatenate(emitter: BaseEmitter[T], node: Node) -> None:
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
    sources, order = side_by_side(emitter, parts, dim)
    tensor = join(emitter, [source.tensor for source in sources], sources[0].axis, tensor_name(node), quantization)
    emitter.finish(node, epilogue, Value(tensor, Layout(result_shape(node), order)))


def join(emitter: BaseEmitter[T], tensors: list[T], axis: int, name: str, quantization: Quantization | None) -> T:
    """Concatenates any number of tensors, a handful at a time."""
    while len(tensors) > MAX_CONCATENATED:
        groups = np.array_split(np.arange(len(tensors)), -(-len(tensors) // MAX_CONCATENATED))
        tensors = [
            join(emitter, [tensors[index] for index in group], axis, f"{name}/part", quantization) for group in groups
        ]
    if len(tensors) == 1:
        return tensors[0]
    first = tensors[0].shape
    shape = (*first[:axis], sum(tensor.shape[axis] for tensor in tensors), *first[axis + 1 :])
    return emitter.write_concatenation(tensors, axis, shape, name=name, quantization=quantization)


def pad(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.constant_pad_nd, aten.pad, with zeros."""
    amounts = zero_padding(node)
    value = emitter.activation(arguments(node)["self"])
    if not any(map(any, amounts)):
        return emitter.bind(node, value)
    layout = Layout(result_shape(node), value.layout.order)
    stored = [amounts[dim] for dim in layout.order]
    tensor = emitter.write_pad(emitter.stored(value), stored, name=tensor_name(node))
    return emitter.bind(node, Value(tensor, layout))
