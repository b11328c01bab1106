"""Placement of the profile int8-full: every operation is int8.

As in `placement`, data movement keeps its scale, and so do maxima and clamps, whose results are codes of what they read. Any other
operation's result has a scale of its own. An operation outside the table stays float with a reason; artefacts then say so.
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from evit_mobile.quantization.placement import (
    ACTIVATIONS,
    ATEN,
    MOVEMENT,
    WEIGHTED,
    Placement,
    Sharing,
    operands_of,
    result_of,
    weight_of,
)

BINARY = {ATEN.add.Tensor, ATEN.mul.Tensor, ATEN.matmul.default}
UNARY = {
    ATEN.mean.dim,
    ATEN.sigmoid.default,
    ATEN.softmax.int,
    ATEN.log.default,
    ATEN.rsqrt.default,
    ATEN.hardswish.default,
    ATEN.gelu.default,
}
KEEPS_SCALE = MOVEMENT | {ATEN.select.int, ATEN.unsqueeze.default, ATEN.clamp_min.default, ATEN.amax.default}
REASON = "no int8 form in the integer-only profile"


def place_everything(graph_module: GraphModule) -> Placement:
    """Placement for `graph_module` with every operation of the table int8."""
    nodes = [node for node in graph_module.graph.nodes if node.op == "call_function"]
    absorbed = {result_of(node) for node in nodes if result_of(node) is not node}
    sharing = Sharing()
    floats = []
    for node in nodes:
        if node in absorbed:
            continue
        if node.target not in WEIGHTED | BINARY | UNARY | KEEPS_SCALE | ACTIVATIONS:
            floats.append((node, REASON))
            continue
        result = result_of(node)
        for tensor in (*integer_operands(node), result):
            sharing.add(tensor)
        if node.target in KEEPS_SCALE:
            for operand in integer_operands(node):
                sharing.join(operand, result)
    weights = [(weight_of(node), node) for node in nodes if node.target in WEIGHTED]
    return Placement(groups=sharing.groups(), weights=tuple(weights), floats=tuple(floats))


def integer_operands(node: Node) -> list[Node]:
    """The activation tensors an operation reads."""
    if node.target is ATEN.matmul.default:
        return [operand for operand in node.args[:2] if isinstance(operand, Node)]
    return operands_of(node)
