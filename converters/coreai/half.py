"""A program whose floats are fp32 as one that computes in fp16, but for its two ends, its islands and the scales of weights.

What fp16 cannot hold stays fp32 (`converters.interface.Function`), and so does what comes of it directly. Scales of quantization
that are no normal numbers in fp16 stay fp32 as well: Core AI's compiler on Linux takes them for zero (coreai-core 1.0.0b3). Those of
weights do in any case: a weight's codes are dequantized in fp32, and the weight is rounded once. Tables of palettes have the type of
the layer that reads them.
"""

from __future__ import annotations

import operator
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_map

from converters.coreai.palettes import is_palette
from converters.coreai.quantization import constant, is_quantization

HALF, SINGLE = torch.float16, torch.float32
SMALLEST_NORMAL = torch.finfo(HALF).tiny


def to_half(module: GraphModule, wide: Collection[str]) -> None:
    """Rewrites `module`; `wide` names the nodes whose results need fp32. Raises OverflowError for a constant that does."""
    Halving(module, frozenset(wide)).run()


class Halving:
    """One pass over a module's graph. `_computed` says what each float node computes in, `_casts` has its casts."""

    def __init__(self, module: GraphModule, wide: frozenset[str]) -> None:
        self._module, self._wide = module, wide
        self._computed: dict[Node, torch.dtype] = {}
        self._casts: dict[tuple[Node, torch.dtype], Node] = {}

    def run(self) -> None:
        graph = self._module.graph
        for node in list(graph.nodes):
            if node.op == "output":
                with graph.inserting_before(node):
                    node.args = map_arg(node.args, lambda one: self._as(one, SINGLE))
            elif node.op == "call_function":
                self._convert(node)
            elif self._is_float(node):
                self._computed[node] = SINGLE
        for node, dtype in self._computed.items():
            if node.op == "call_function" and dtype is HALF:
                node.meta["val"] = tree_map(_half, node.meta["val"])

    def _convert(self, node: Node) -> None:
        """Gives `node` operands of what it computes in."""
        if node.target is operator.getitem:
            self._computed[node] = self._computed[node.all_input_nodes[0]]
            return
        dtype = self._computes_in(node)
        with self._module.graph.inserting_before(node):
            arguments, named = map_arg((node.args, dict(node.kwargs)), lambda one: self._as(one, dtype))
        if dtype is HALF and not is_quantization(node):
            arguments, named = _named_half(arguments), _named_half(named)
        node.args, node.kwargs = arguments, named
        if self._is_float(node) or isinstance(node.meta["val"], tuple | list):
            self._computed[node] = dtype

    def _computes_in(self, node: Node) -> torch.dtype:
        if node.name in self._wide or any(one.name in self._wide for one in node.all_input_nodes):
            return SINGLE
        if is_palette(node):
            return self._computes_in(next(iter(node.users)))
        if is_quantization(node):
            scale = self._constant(node.args[1])
            return HALF if scale.ndim == 0 and scale >= SMALLEST_NORMAL else SINGLE
        return HALF

    def _as(self, node: Node, dtype: torch.dtype) -> Node:
        """`node` in `dtype`, where it is float."""
        if not self._is_float(node) or self._computed[node] is dtype:
            return node
        if (node, dtype) not in self._casts:
            self._casts[node, dtype] = self._cast(node, dtype)
        return self._casts[node, dtype]

    def _cast(self, node: Node, dtype: torch.dtype) -> Node:
        graph = self._module.graph
        if node.op == "get_attr":
            return self._rounded(node)
        with graph.inserting_after(node):
            cast = graph.call_function(torch.ops.aten._to_copy.default, (node,), {"dtype": dtype})
        cast.meta = node.meta | {"val": node.meta["val"].to(dtype)}
        return cast

    def _rounded(self, node: Node) -> Node:
        """A constant in fp16."""
        value = self._constant(node)
        rounded = value.to(HALF)
        if rounded.isinf().sum() > value.isinf().sum():
            raise OverflowError(f"a constant of magnitude {value.abs().max():g}, {node.target}; fp16 ends at 65504")
        with self._module.graph.inserting_before(node):
            return constant(self._module, f"{node.target}_half", rounded)

    def _constant(self, node: Any) -> Tensor:
        value: Tensor = operator.attrgetter(node.target)(self._module)
        return value.detach()

    def _is_float(self, node: Node) -> bool:
        value = self._constant(node) if node.op == "get_attr" else node.meta.get("val")
        return isinstance(value, Tensor) and value.is_floating_point()


def _half(result: Any) -> Any:
    """What a result is like in fp16."""
    return result.to(HALF) if result.is_floating_point() else result


def _named_half(arguments: Any) -> Any:
    """`arguments` with fp16 where they name fp32."""
    return tree_map(lambda one: HALF if one is SINGLE else one, arguments)
