"""What a plan costs, modelled: latency of its weighted operations and of the conversions between int8 and float.

Rates of multiply-accumulates are XNNPACK's (`converters.capabilities`). Only ratios matter here: they compare plans of one model.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.fx import GraphModule, Node

from converters.capabilities import XNNPACK
from evit_mobile.quantization.placement import LOOKUPS, WEIGHTED, Placement

VALUES_PER_MS = 1e7
"""Values converted from int8 to float or back: five bytes each at the speed of a cache. In a microbenchmark of 0.2 million values
LiteRT converted at several times this rate.
"""


def modelled_latency_ms(module: GraphModule, placement: Placement) -> float:
    """Of one image through `module`, the graph that `placement` was made for."""
    return LatencyModel(module)(placement)


class LatencyModel:
    """The same for one placement of a graph after the other: what does not depend on them is read off the graph once."""

    def __init__(self, module: GraphModule) -> None:
        self._nodes = [node for node in module.graph.nodes if isinstance(node.meta.get("val"), Tensor)]
        self._sizes = {node: size(node) for node in self._nodes}
        self._multiplications = {node: multiplications(node) for node in self._nodes if node.target in WEIGHTED}

    def __call__(self, placement: Placement) -> float:
        int8_layers = {reader for _, reader in placement.weights}
        int8_tensors = {node for group in placement.groups for node in group}
        floats = {node for node, _ in placement.floats if not _is_lookup(node, int8_tensors)}
        total = 0.0
        for node in self._nodes:
            if node in self._multiplications:
                total += self._multiplications[node] / XNNPACK.macs_per_ms[8 if node in int8_layers else 32]
            if node in int8_tensors:
                conversions = (node in floats) + any(user in floats for user in node.users)
                total += conversions * self._sizes[node] / VALUES_PER_MS
        return total


def _is_lookup(node: Node, int8_tensors: set[Node]) -> bool:
    """Whether it is a table between int8 tensors: no conversions there."""
    return node.target in LOOKUPS and {node, *node.all_input_nodes} <= int8_tensors


def multiplications(node: Node) -> int:
    """Multiply-accumulates of a convolution or linear layer."""
    module, weight = node.graph.owning_module, node.args[1]
    assert isinstance(weight, Node)
    assert module is not None
    return size(node) * math.prod(module.get_parameter(str(weight.target)).shape[1:])


def size(node: Node) -> int:
    """Number of values in a tensor."""
    return math.prod(node.meta["val"].shape)
