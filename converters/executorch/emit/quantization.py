"""Quantize nodes that no operation has taken in."""

from __future__ import annotations

from torch.fx import Node

from converters.executorch.emitter import Emitter
from converters.lowering.program import tensor_quantization


def quantize(emitter: Emitter, node: Node) -> None:
    """quantize_per_tensor: a conversion from float or from other parameters, nothing between equal ones."""
    emitter.bind(node, emitter.quantized(emitter.activation(node.all_input_nodes[0]), tensor_quantization(node)))
