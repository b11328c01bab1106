"""Softmax."""

from __future__ import annotations

from torch.fx import Node

from converters.lowering.emitter import BaseEmitter
from converters.lowering.program import arguments, tensor_name
from converters.lowering.values import T, Value


def softmax(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.softmax over the innermost stored dimension: int8 in an integer-only file, else float (XNNPACK has no other)."""
    named = arguments(node)
    value = emitter.activation(named["self"])
    value = emitter.innermost(value, named["dim"] % len(value.layout.shape))
    epilogue = emitter.epilogue(node, int8=emitter.integer_only and value.quantization is not None, clamp=False)
    if epilogue.quantization is None:
        value = emitter.dequantized(value)
    output = emitter.write_softmax(emitter.rows(value), name=tensor_name(node), quantization=epilogue.quantization)
    emitter.finish(node, epilogue, Value(output, value.layout))
