"""Quantize and dequantize nodes that no operation has taken in."""

from __future__ import annotations

from torch.fx import Node

from converters.executorch.emitter import Emitter
from converters.tflite.program import tensor_quantization


def quantize(emitter: Emitter, node: Node) -> None:
    """quantize_per_tensor: a conversion from float or from other parameters, nothing between equal ones."""
    emitter.bind(node, emitter.quantized(emitter.activation(node.all_input_nodes[0]), tensor_quantization(node)))


def dequantize(emitter: Emitter, node: Node) -> None:
    """dequantize_per_tensor: the int8 value itself. Who needs it as float converts it."""
    emitter.bind(node, emitter.activation(node.all_input_nodes[0]))
