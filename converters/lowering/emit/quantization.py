"""Quantize nodes that no operation has taken in."""

from __future__ import annotations

from torch.fx import Node

from converters.lowering.emitter import BaseEmitter
from converters.lowering.program import tensor_name, tensor_quantization
from converters.lowering.values import T


def quantize(emitter: BaseEmitter[T], node: Node) -> None:
    """quantize_per_tensor: a conversion from float or from other parameters, nothing between equal ones."""
    value = emitter.activation(node.all_input_nodes[0])
    emitter.bind(node, emitter.quantized(value, tensor_quantization(node), name=tensor_name(node)))
