"""The choice and order of classes or channels by a constant index, and products with a constant matrix, in forms that formats have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from evit_mobile.models.surroundings.constants import as_constant, constant_of, shape_of
from evit_mobile.models.surroundings.forms import SLICES

ATEN = torch.ops.aten
LARGEST_SELECTION = 2**24
"""Entries of the matrix of a choice of many classes: 64 MB."""


def rewrite_choices(module: GraphModule) -> None:
    """Rewrites the graph in place; what has no such form is left as it is."""
    for node in list(module.graph.nodes):
        if node.target in REWRITES:
            with module.graph.inserting_before(node):
                replacement = REWRITES[node.target](module, node)
            if replacement is not None:
                replacement.meta = dict(node.meta)
                node.replace_all_uses_with(replacement)
    module.graph.eliminate_dead_code()


def index(module: GraphModule, node: Node) -> Node | None:
    """aten.index with one constant index."""
    source, indices = node.args
    assert isinstance(source, Node)
    assert isinstance(indices, list | tuple)
    given = [(dim, constant_of(module, one)) for dim, one in enumerate(indices) if one is not None]
    return chosen(module, source, *given[0]) if len(given) == 1 else None


def index_select(module: GraphModule, node: Node) -> Node | None:
    """aten.index_select with a constant index."""
    source, dim, places = node.args
    assert isinstance(source, Node)
    assert isinstance(dim, int)
    return chosen(module, source, dim % len(shape_of(source)), constant_of(module, places))


def chosen(module: GraphModule, source: Node, dim: int, places: Tensor | None) -> Node | None:
    """`source` at `places` along `dim`: slices one behind the other, or of many classes a product with zeros and ones."""
    if places is None or places.ndim != 1 or not len(places):
        return None
    size, graph = shape_of(source)[dim], module.graph
    order = torch.arange(size)[places.long() if places.dtype is not torch.bool else places]
    starts = [0, *(place for place in range(1, len(order)) if order[place] != order[place - 1] + 1), len(order)]
    runs = [(int(order[start]), int(order[end - 1]) + 1) for start, end in pairwise(starts)]
    if len(runs) <= SLICES:
        slices = [graph.call_function(ATEN.slice.Tensor, (source, dim, start, end)) for start, end in runs]
        return slices[0] if len(slices) == 1 else graph.call_function(ATEN.cat.default, (slices, dim))
    if dim != len(shape_of(source)) - 1 or size * len(order) > LARGEST_SELECTION:
        return None
    selection = as_constant(module, torch.eye(size)[order])
    return graph.call_function(ATEN.linear.default, (source, selection))


def product(module: GraphModule, node: Node) -> Node | None:
    """x @ M with a constant matrix M as a linear layer."""
    source, matrix = node.args
    value = constant_of(module, matrix)
    if value is None or value.ndim != 2 or constant_of(module, source) is not None:
        return None
    return module.graph.call_function(ATEN.linear.default, (source, as_constant(module, value.t())))


def sum_and_product(module: GraphModule, node: Node) -> Node | None:
    """b + x @ M with a constant vector b and matrix M as a linear layer."""
    bias, source, matrix = node.args
    value, offset = constant_of(module, matrix), constant_of(module, bias)
    if value is None or offset is None or offset.ndim != 1 or node.kwargs:
        return None
    constants = as_constant(module, value.t()), as_constant(module, offset)
    return module.graph.call_function(ATEN.linear.default, (source, *constants))


REWRITES: dict[Any, Callable[[GraphModule, Node], Node | None]] = {
    ATEN.addmm.default: sum_and_product,
    ATEN.index.Tensor: index,
    ATEN.index_select.default: index_select,
    ATEN.matmul.default: product,
    ATEN.mm.default: product,
}
