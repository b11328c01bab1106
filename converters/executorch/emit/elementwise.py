"""Activations."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.fx import Node

from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Tensor
from converters.lowering.elementwise import power_operation
from converters.lowering.emit.elementwise import number
from converters.lowering.emitter import Clamp, clamp_limits
from converters.lowering.program import arguments
from converters.lowering.values import Value


def unary(kind: str) -> Callable[[Emitter, Node], None]:
    """The emitter of a one-operand operation."""

    def emit(emitter: Emitter, node: Node) -> None:
        write_unary(emitter, node, kind)

    return emit


def write_unary(emitter: Emitter, node: Node, kind: str, limits: Clamp | None = None) -> None:
    """Writes the operation on the tensor as it lies. Between int8 tensors XNNPACK runs any of them as a table of 256 entries."""
    value = emitter.activation(node.all_input_nodes[0])
    epilogue = emitter.epilogue(node, int8=value.quantization is not None, clamp=False)
    tensor = value.tensor if epilogue.quantization else emitter.dequantized(value).tensor
    output = emitter.emit(kind, {"input_id": tensor}, tensor.shape, quantization=epilogue.quantization, clamp=limits)
    emitter.finish(node, epilogue, Value(output, value.layout))


def gelu(emitter: Emitter, node: Node) -> None:
    """aten.gelu. The delegate has the exact form only, which differs from the tanh form by at most 5e-4.

    That is below the resolution of float16 and int8. In float32 the tanh form is written out:
    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) = x sigmoid(x (a + b x^2)) with a = 2 sqrt(2/pi), b = 0.044715 a.
    """
    value = emitter.activation(node.all_input_nodes[0])
    int8 = value.quantization is not None and emitter.epilogue(node, int8=True, clamp=False).quantization is not None
    if arguments(node)["approximate"] != "tanh" or emitter.real is not DataType.FP32 or int8:
        return write_unary(emitter, node, "Gelu")
    x = emitter.dequantized(value).tensor
    factor = 2 * math.sqrt(2 / math.pi)
    a, b = (number(emitter, node, constant) for constant in (factor, 0.044715 * factor))

    def write(kind: str, *inputs: Tensor) -> Tensor:
        names = ("input_id",) if len(inputs) == 1 else ("input1_id", "input2_id")
        return emitter.emit(kind, dict(zip(names, inputs, strict=True)), x.shape)

    slope = write("Add", write("Multiply", write("Square", x), b), a)
    gate = write("Sigmoid", write("Multiply", slope, x))
    return emitter.bind(node, Value(write("Multiply", x, gate), value.layout))


def clamp(emitter: Emitter, node: Node) -> None:
    """relu, relu6, hardtanh, clamp that nothing could fuse. A clamp of an int8 tensor stays int8 where 0 is its only limit."""
    limits = clamp_limits(node)
    assert limits is not None
    value = emitter.activation(node.all_input_nodes[0])
    exact = all(limit in (0.0, -math.inf, math.inf) for limit in limits)
    if value.quantization is None or not exact or emitter.epilogue(node, int8=True, clamp=False).quantization:
        return write_unary(emitter, node, "Clamp", limits)
    output = emitter.emit(
        "Clamp", {"input_id": value.tensor}, value.tensor.shape, quantization=value.quantization, clamp=limits
    )
    return emitter.bind(node, Value(output, value.layout))


POWERS = {2: "Square", 0.5: "SquareRoot", -0.5: "ReciprocalSquareRoot"}


def power(emitter: Emitter, node: Node) -> None:
    """aten.pow with the exponents that have an operation."""
    write_unary(emitter, node, power_operation(node, POWERS))
