"""ATen's composite operators as the core ones that Core AI's converter knows, composed as PyTorch itself does it.

`ExportedProgram.run_decompositions` does that for all operators, and traces the program anew for it, which took a third of the time
that writing m0 in int8 takes. These are the operators that EfficientViT is made of; a program that has others goes through PyTorch's.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.fx import Graph, Node
from torch.fx.node import map_arg

from converters.lowering.program import arguments, result_shape

aten = torch.ops.aten

IMAGE, MATRICES, MATRIX = 4, 3, 2
"""Axes of what `convolution`, `bmm` and `mm` take."""


def to_core_operators(program: ExportedProgram) -> None:
    """Composes anew what `FORMS` has, in place. What has none, or not for such operands, is left as it is."""
    composing = Composing(program.graph)
    for node in list(program.graph.nodes):
        if node.target in FORMS:
            composing.replace(node)


class Composing:
    """Calls of core operators in a graph, one composite operator at a time."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        (image, *_) = graph.find_nodes(op="placeholder")
        self._mode: Any = image.meta["val"].fake_mode
        self._meta: dict[str, Any] = {}

    def replace(self, node: Node) -> None:
        self._meta = {key: value for key, value in node.meta.items() if key != "val"}
        with self._graph.inserting_before(node):
            new = FORMS[node.target](self, **arguments(node))
        if new is None:
            return
        node.replace_all_uses_with(new)
        self._graph.erase_node(node)
        new.name = node.name  # which the program's signature has, if it is the output

    def call(self, target: Any, *operands: Any, **options: Any) -> Node:
        """A node that calls `target`."""
        values = map_arg(operands, lambda operand: operand.meta["val"])
        with self._mode, torch.no_grad():
            value = target(*values, **options)
        name = getattr(target, "overloadpacket", target).__name__  # as torch.export calls it
        new = self._graph.create_node("call_function", target, operands, options, name)
        new.meta = self._meta | {"val": value}
        return new

    def reshaped(self, node: Node, shape: Sequence[int]) -> Node:
        """`node` in another shape; a copy of it where its strides do not allow a view."""
        try:
            return self.call(aten.view.default, node, list(shape))
        except (RuntimeError, ValueError):
            copy = self.call(aten.clone.default, node, memory_format=torch.contiguous_format)
            return self.call(aten.view.default, copy, list(copy.meta["val"].view(*shape).shape))

    def spread(self, node: Node, batch: Sequence[int]) -> Node:
        """Matrices, repeated so that there are `batch` of them, on one axis."""
        rows, columns = result_shape(node)[-MATRIX:]
        repeated = self.call(aten.expand.default, node, [*batch, rows, columns])
        return self.reshaped(repeated, (math.prod(batch), rows, columns))


def _conv2d(
    composing: Composing,
    input: Node,
    weight: Node,
    bias: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Node | None:
    if len(result_shape(input)) != IMAGE:
        return None
    lengths = (_pair(length) for length in (stride, padding, dilation))
    return composing.call(aten.convolution.default, input, weight, bias, *lengths, False, [0, 0], groups)


def _pair(lengths: Sequence[int]) -> list[int]:
    """Of both axes; one may stand for both."""
    return [*lengths] * (2 // len(lengths))


def _linear(composing: Composing, input: Node, weight: Node, bias: Node | None) -> Node | None:
    if len(result_shape(input)) != MATRIX:
        return None
    turned = composing.call(aten.permute.default, weight, [1, 0])
    if bias is None:
        return composing.call(aten.mm.default, input, turned)
    return composing.call(aten.addmm.default, bias, input, turned)


def _matmul(composing: Composing, self: Node, other: Node) -> Node | None:
    left, right = result_shape(self), result_shape(other)
    if min(len(left), len(right)) < MATRICES:
        return None
    batch = np.broadcast_shapes(left[:-MATRIX], right[:-MATRIX])
    product = composing.call(aten.bmm.default, composing.spread(self, batch), composing.spread(other, batch))
    return composing.reshaped(product, (*batch, left[-2], right[-1]))


def _softmax(composing: Composing, self: Node, dim: int, dtype: torch.dtype | None) -> Node | None:
    return None if dtype is not None else composing.call(aten._softmax.default, self, dim, False)


def _transpose(composing: Composing, self: Node, dim0: int, dim1: int) -> Node:
    axes = list(range(len(result_shape(self))))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return composing.call(aten.permute.default, self, axes)


def _layer_norm(
    composing: Composing,
    input: Node,
    normalized_shape: Sequence[int],
    weight: Node | None,
    bias: Node | None,
    eps: float,
    **_of_cuda: bool,
) -> Node:
    norm = composing.call(aten.native_layer_norm.default, input, normalized_shape, weight, bias, eps)
    return composing.call(operator.getitem, norm, 0)


def _clamp_min(composing: Composing, self: Node, min: float) -> Node:
    return composing.call(aten.clamp.default, self, min)


def _reshape(composing: Composing, self: Node, shape: Sequence[int]) -> Node:
    return composing.reshaped(self, shape)


def _flatten(composing: Composing, self: Node, start_dim: int, end_dim: int) -> Node:
    return composing.reshaped(self, self.meta["val"].flatten(start_dim, end_dim).shape)


FORMS: dict[Any, Callable[..., Node | None]] = {
    aten.conv2d.default: _conv2d,
    aten.linear.default: _linear,
    aten.matmul.default: _matmul,
    aten.softmax.int: _softmax,
    aten.transpose.int: _transpose,
    aten.flatten.using_ints: _flatten,
    aten.reshape.default: _reshape,
    aten.layer_norm.default: _layer_norm,
    aten.clamp_min.default: _clamp_min,
}
"""Each gets a node's arguments by name, and gives what takes its place; None where PyTorch's own decomposition is needed."""
