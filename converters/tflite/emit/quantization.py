"""Quantize nodes that no operation has taken in."""

from __future__ import annotations

from torch.fx import Node

from converters.lowering.program import tensor_name, tensor_quantization
from converters.tflite.emitter import Emitter


def quantize(emitter: Emitter, node: Node) -> None:
    """quantize_per_tensor: QUANTIZE from float or from other parameters, nothing between equal ones."""
    value = emitter.activation(node.all_input_nodes[0])
    emitter.bind(node, emitter.quantized(value, tensor_quantization(node), name=tensor_name(node)))
