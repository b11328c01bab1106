"""Which operations of an exported program are int8, and which tensors therefore need a scale.

An operation is int8 when the narrowest runtime, XNNPACK, has an int8 kernel for it (`converters.capabilities`) and it is connected to
other int8 operations:

- convolutions and linear layers always, unless their module is protected;
- sums, products, means and sigmoids when they read and feed int8 operations;
- data movement (slice, concatenation, padding, views) when it reads and feeds int8 operations. It cannot change a scale, so
  all tensors it touches share one;
- a ReLU or ReLU6 behind one of the above is part of it;
- a ReLU or a concatenation that only reads int8 operations, whoever reads it: it costs a quarter of what it costs in float. A ReLU that
  is on its own has a scale of its own, whose smallest code stands for 0, so that changing the scale is all it takes.

Everything else stays float. Softmax, matrix products of two activations, division and layer norm: no runtime has all of them in int8,
and their ranges are what breaks int8 EfficientViTs. Hard swish and GELU: between int8 tensors XNNPACK runs any float function as one
table lookup, which rounds once, where int8 operations that spell it out would round at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from operator import attrgetter

import torch
from torch.fx import GraphModule, Node

from converters.capabilities import CLAMPS, LAYERS, XNNPACK
from converters.capabilities import MOVEMENT as MOVING
from converters.lowering.program import module_path

ATEN = torch.ops.aten


def operators(names: Iterable[str]) -> frozenset[object]:
    """ATen's operators of these names, "aten.add.Tensor" and the like."""
    return frozenset(attrgetter(name.removeprefix("aten."))(ATEN) for name in names)


WEIGHTED = operators(LAYERS)
MOVEMENT = operators(MOVING)
ACTIVATIONS = operators(CLAMPS)
LOOKUPS = operators(XNNPACK.tables[8])
"""Functions of one value that are a table between int8 tensors."""

OF_TWO = frozenset({ATEN.add.Tensor, ATEN.mul.Tensor})
ARITHMETIC = {*OF_TWO, ATEN.mean.dim, ATEN.sigmoid.default} & operators(XNNPACK.integers[8])
CANDIDATES = ARITHMETIC | MOVEMENT | ACTIVATIONS
CHEAP = ACTIVATIONS | {ATEN.cat.default}
FOLLOWED = WEIGHTED | OF_TWO
"""What an activation can be part of."""

NO_KERNEL = {
    attrgetter(name)(ATEN): f"{name.partition('.')[0].replace('_', ' ')} has no int8 kernel in {XNNPACK.name}"
    for name in ("softmax.int", "layer_norm.default")
    if not XNNPACK.computes(f"aten.{name}")
}
LOOKUP_REASON = (
    f"function of one value: computed in float it rounds once, and {XNNPACK.name} runs it as a table from int8 to int8"
)
FLOAT_REASONS: dict[object, str] = {
    ATEN.matmul.default: f"product of two activations: float keeps attention accurate and {XNNPACK.name} takes it",
    ATEN.div.Tensor: "a quantized divisor can become zero",
    **NO_KERNEL,
    **dict.fromkeys(LOOKUPS, LOOKUP_REASON),
}
OTHER_REASON = "part of a float region"
PROTECTED_REASON = "protected: quantizing this module costs too much accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Result of `place`. `groups` are sets of tensors that share one scale; `weights` are (parameter node, reader) pairs."""

    groups: tuple[tuple[Node, ...], ...]
    weights: tuple[tuple[Node, Node], ...]
    floats: tuple[tuple[Node, str], ...]


def place(graph_module: GraphModule, protected: frozenset[str] = frozenset()) -> Placement:
    """Placement for `graph_module`; modules whose path is in `protected`, and those inside them, stay float."""
    nodes = [node for node in graph_module.graph.nodes if node.op == "call_function"]
    kept = {node for node in nodes if is_protected(node, protected)} if protected else set()
    integer = _integer_operations([node for node in nodes if node not in kept])
    sharing = Sharing()
    absorbed = {result_of(node) for node in integer if result_of(node) is not node}
    operations = [node for node in nodes if node in integer and node not in absorbed]
    for node in operations:
        result = result_of(node)
        for tensor in (*operands_of(node), result):
            sharing.add(tensor)
        if node.target in MOVEMENT:
            for operand in operands_of(node):
                sharing.join(operand, result)
    weights = [(weight_of(node), node) for node in operations if node.target in WEIGHTED]
    floats = [
        (node, PROTECTED_REASON if node in kept else FLOAT_REASONS.get(node.target, OTHER_REASON))
        for node in nodes
        if node not in integer and node not in absorbed
    ]
    return Placement(groups=sharing.groups(), weights=tuple(weights), floats=tuple(floats))


def is_protected(node: Node, protected: frozenset[str]) -> bool:
    """Whether the node lies in a module of `protected`."""
    return not protected.isdisjoint(_enclosing(module_path(node)))


@cache
def _enclosing(path: str) -> tuple[str, ...]:
    """The module of this path and all around it: "a", "a.b" and "a.b.c" of "a.b.c"."""
    return tuple(accumulate(path.split("."), "{}.{}".format))


def _integer_operations(nodes: list[Node]) -> set[Node]:
    """Of `nodes`: weighted operations, and the candidates that lie on a path from one of them to another."""
    weighted = {node for node in nodes if node.target in WEIGHTED}
    candidates = [node for node in nodes if _is_candidate(node)]
    fed = _grow(weighted, candidates, lambda node, reached: any(operand in reached for operand in operands_of(node)))
    useful = _grow(weighted, candidates[::-1], lambda node, reached: any(user in reached for user in node.users))
    between = weighted | (fed & useful)
    cheap = [node for node in candidates if node.target in CHEAP]
    return _grow(between, cheap, lambda node, reached: all(operand in reached for operand in operands_of(node)))


def _is_candidate(node: Node) -> bool:
    """Whether int8 kernels exist for the operation. Python numbers have no scale, so operands must all be tensors."""
    return node.target in CANDIDATES and (node.target not in OF_TWO or len(operands_of(node)) == 2)


def _grow(seed: set[Node], ordered: list[Node], joins: Callable[[Node, set[Node]], bool]) -> set[Node]:
    """`seed` and every node of `ordered` that joins what came before it."""
    reached = set(seed)
    for node in ordered:
        if joins(node, reached):
            reached.add(node)
    return reached


def operands_of(node: Node) -> list[Node]:
    """The activation tensors an operation reads (not its weight and bias)."""
    first = node.args[0]
    if isinstance(first, list | tuple):
        return [operand for operand in first if isinstance(operand, Node)]
    count = 2 if node.target in OF_TWO else 1
    return [operand for operand in node.args[:count] if isinstance(operand, Node)]


def result_of(node: Node) -> Node:
    """The tensor that leaves the operation: behind its fused activation where there is one."""
    if node.target in FOLLOWED and len(node.users) == 1:
        (user,) = node.users
        if user.target in ACTIVATIONS:
            return user
    return node


def weight_of(node: Node) -> Node:
    """The parameter that a convolution or linear layer reads as its weight."""
    weight = node.args[1]
    assert isinstance(weight, Node)
    return weight


class Sharing:
    """Disjoint sets of tensors that must have one scale, in order of first mention."""

    def __init__(self) -> None:
        self._parent: dict[Node, Node] = {}

    def add(self, node: Node) -> None:
        """Makes `node` a set of its own unless it is in one."""
        self._parent.setdefault(node, node)

    def join(self, one: Node, other: Node) -> None:
        """Unites the sets of two nodes."""
        self._parent[self._root(other)] = self._root(one)

    def _root(self, node: Node) -> Node:
        while self._parent[node] is not node:
            node = self._parent[node]
        return node

    def groups(self) -> tuple[tuple[Node, ...], ...]:
        """All sets, their members in order of first mention."""
        members: dict[Node, list[Node]] = {}
        for node in self._parent:
            members.setdefault(self._root(node), []).append(node)
        return tuple(tuple(group) for group in members.values())
