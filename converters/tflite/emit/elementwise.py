"""Activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch.fx import Node

from converters.lowering.elementwise import power_operation
from converters.lowering.emit.elementwise import number
from converters.lowering.emitter import clamp_limits
from converters.lowering.program import arguments, tensor_name
from converters.lowering.values import Quantization, Value
from converters.tflite.emitter import ACTIVATIONS, Emitter
from converters.tflite.graph import Tensor

LOGISTIC_QUANTIZATION = Quantization(scales=(1 / 256,), zero_point=-128)


def unary(code: str, **options: Any) -> Callable[[Emitter, Node], None]:
    """The emitter of a one-operand operation."""

    def emit(emitter: Emitter, node: Node) -> None:
        write_unary(emitter, node, code, **options)

    return emit


def write_unary(emitter: Emitter, node: Node, code: str, **options: Any) -> None:
    """Writes the operation on the tensor as it lies.

    XNNPACK has LOGISTIC in int8. It folds dequantize, float operation, quantize into one table lookup when nobody else
    reads what lies between, so an operation between int8 values gets a DEQUANTIZE of its own.
    """
    value = emitter.activation(node.all_input_nodes[0])
    epilogue = emitter.epilogue(node, int8=value.quantization is not None, clamp=False)
    tensor, quantization = value.tensor, epilogue.quantization
    if quantization is not None and emitter.integer_only:
        output = emitter.emit(
            code, [tensor], tensor.shape, name=tensor_name(node), quantization=quantization, **options
        )
        return emitter.finish(node, epilogue, Value(output, value.layout))
    if quantization is not None and code == "RELU" and quantization.zero_point == -128:
        # The smallest code stands for 0: requantizing clamps.
        return emitter.finish(node, epilogue, emitter.quantized(value, quantization, name=tensor_name(node)))
    if quantization is None:
        tensor = emitter.dequantized(value).tensor
    elif code != "LOGISTIC" or quantization != LOGISTIC_QUANTIZATION:
        tensor, quantization = emitter.dequantize(tensor), None
    output = emitter.emit(code, [tensor], tensor.shape, name=tensor_name(node), quantization=quantization, **options)
    result = Value(output, value.layout)
    if quantization is None:
        return emitter.bind(node, result)
    return emitter.finish(node, epilogue, result)


def gelu(emitter: Emitter, node: Node) -> None:
    """aten.gelu in either form."""
    write_unary(emitter, node, "GELU", approximate=arguments(node)["approximate"] == "tanh")


def clamp(emitter: Emitter, node: Node) -> None:
    """relu, relu6, hardtanh, clamp that nothing could fuse."""
    both = clamp_limits(node)
    assert both is not None
    if both in ACTIVATIONS:
        return write_unary(emitter, node, ACTIVATIONS[both].name)
    limits = [(code, limit) for code, limit in zip(("MAXIMUM", "MINIMUM"), both, strict=True) if math.isfinite(limit)]
    value = emitter.activation(node.all_input_nodes[0])
    if emitter.integer_only and value.quantization is not None:
        return emitter.bind(node, integer_clamp(emitter, node, value, value.quantization, limits))
    for code, limit in limits:
        value = emitter.dequantized(value)
        operand = number(emitter, node, limit)
        tensor = emitter.emit(code, [value.tensor, operand], value.tensor.shape, name=tensor_name(node))
        value = Value(tensor, value.layout)
    return emitter.bind(node, value)


def integer_clamp(
    emitter: Emitter, node: Node, value: Value[Tensor], quantization: Quantization, limits: list[tuple[str, float]]
) -> Value[Tensor]:
    """The int8 value clamped to the codes of the limits; nothing for a limit that no code lies beyond."""
    for code, limit in limits:
        level = int(np.clip(round(limit / quantization.scale) + quantization.zero_point, -128, 127))
        if level == (-128 if code == "MAXIMUM" else 127):
            continue
        operand = emitter.constant(
            np.array(level, np.int8), name=f"{tensor_name(node)}/limit", quantization=quantization
        )
        inputs, shape = [value.tensor, operand], value.tensor.shape
        tensor = emitter.emit(code, inputs, shape, name=tensor_name(node), quantization=quantization)
        value = Value(tensor, value.layout)
    return value


POWERS = {2: "SQUARE", 0.5: "SQRT", -0.5: "RSQRT"}


def power(emitter: Emitter, node: Node) -> None:
    """aten.pow with the exponents that have an operation."""
    write_unary(emitter, node, power_operation(node, POWERS))
