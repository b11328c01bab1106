"""Placement of the profile int8-full: every operation is int8 that LiteRT's own kernels have (`converters.capabilities`).

As in `placement`, data movement keeps its scale, and so do maxima and clamps, whose results are codes of what they read. Any other
operation's result has a scale of its own. An operation outside the table stays float with a reason; artefacts then say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch.fx import GraphModule, Node

from converters.capabilities import LITERT
from evit_mobile.quantization.integer_products import factors_of
from evit_mobile.quantization.integer_ranges import has_fixed_parameters
from evit_mobile.quantization.placement import (
    ATEN,
    MOVEMENT,
    WEIGHTED,
    Placement,
    Sharing,
    operands_of,
    operators,
    result_of,
    weight_of,
)

INTEGER = operators(LITERT.integers[8])
KEEPS_SCALE = MOVEMENT | {ATEN.select.int, ATEN.unsqueeze.default, ATEN.clamp_min.default, ATEN.amax.default}
REASON = "no int8 form in the integer-only profile"
FIXED_REASON = "product of two results of softmax or sigmoid: one factor's zero point has to be 0, and theirs is not"


def place_everything(graph_module: GraphModule) -> Placement:
    """Placement for `graph_module` with every operation of the table int8."""
    nodes = [node for node in graph_module.graph.nodes if node.op == "call_function"]
    floats = {node: REASON for node in nodes if node.target not in INTEGER}
    placement = _all_but(floats, nodes)
    fixed = {node for group in placement.groups if has_fixed_parameters(group) for node in group}
    products = {node: factors_of(node) for node in nodes}
    impossible = {node: FIXED_REASON for node, factors in products.items() if factors and fixed.issuperset(factors)}
    return _all_but(floats | impossible, nodes) if impossible else placement


def _all_but(floats: Mapping[Node, str], nodes: Sequence[Node]) -> Placement:
    absorbed = {result_of(node) for node in nodes if result_of(node) is not node}
    sharing = Sharing()
    for node in nodes:
        if node in absorbed or node in floats:
            continue
        result = result_of(node)
        for tensor in (*integer_operands(node), result):
            sharing.add(tensor)
        if node.target in KEEPS_SCALE:
            for operand in integer_operands(node):
                sharing.join(operand, result)
    weights = [(weight_of(node), node) for node in nodes if node.target in WEIGHTED]
    left = [(node, reason) for node, reason in floats.items() if node not in absorbed]
    return Placement(groups=sharing.groups(), weights=tuple(weights), floats=tuple(left))


def integer_operands(node: Node) -> list[Node]:
    """The activation tensors an operation reads."""
    return factors_of(node) or operands_of(node)
