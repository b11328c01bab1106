"""Operations on each element: sums, products, activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.fx import Node

from converters.executorch.emitter import Emitter, clamp_limits
from converters.executorch.graph import Clamp, DataType, Tensor
from converters.lowering.elementwise import aligned, as_they_are, int8_form, operands, power_operation, scales_allowed
from converters.lowering.layout import Layout, Order, Shape, broadcast_shape, widen, widen_layout
from converters.lowering.program import arguments, result_shape
from converters.lowering.values import Constant, Quantization, Value

INT8 = {"Add", "Subtract", "Multiply"}
"""What XNNPACK has an int8 form of."""
FUSES_CLAMP = {"Add", "Subtract", "Multiply", "Div"}

Operand = Value[Tensor] | Constant


def binary(kind: str, *, exchanged: bool = False) -> Callable[[Emitter, Node], None]:
    """The emitter of a two-operand operation. The second may be a number; `exchanged` swaps the two (rsub)."""

    def emit(emitter: Emitter, node: Node) -> None:
        first, second = operands(emitter, node)
        write_binary(emitter, node, kind, [second, first] if exchanged else [first, second])

    return emit


def divide(emitter: Emitter, node: Node) -> None:
    """aten.div: by a constant as a product with its reciprocal."""
    dividend, divisor = operands(emitter, node)
    if isinstance(divisor, Constant):
        return write_binary(emitter, node, "Multiply", [dividend, Constant(1 / divisor.value.to(torch.float64))])
    return write_binary(emitter, node, "Div", [dividend, divisor])


def write_binary(emitter: Emitter, node: Node, kind: str, items: list[Operand]) -> None:
    """Writes the operation in the storage order of its largest operand; constants follow at conversion time."""
    quantizations = [int8_form(operand) for operand in items]
    fuses = kind in FUSES_CLAMP
    epilogue = emitter.epilogue(node, int8=None not in quantizations and kind in INT8, clamp=fuses)
    if epilogue.quantization and not scales_allowed(quantizations, epilogue.quantization, product=kind == "Multiply"):
        epilogue = emitter.epilogue(node, int8=False, clamp=fuses)
    if epilogue.quantization is None:
        items = [emitter.dequantized(item) if isinstance(item, Value) else item for item in items]
    values = [item for item in items if isinstance(item, Value)]
    # Of equals, the one that convolutions have already put into their own order.
    reference = max(values, key=lambda value: (math.prod(value.layout.shape), value.layout.order))
    shape = result_shape(node)
    if as_they_are(items, reference):
        layout = reference.layout
        tensors = [
            item.tensor
            if isinstance(item, Value)
            else parameter(emitter, node, item, layout.order, epilogue.quantization, reference.tensor.shape)
            for item in items
        ]
    else:
        order = widen_layout(reference.layout, len(shape)).order
        layout = Layout(shape, order)
        tensors = [
            aligned(emitter, item, order)
            if isinstance(item, Value)
            else parameter(emitter, node, item, order, epilogue.quantization, None)
            for item in items
        ]
    output_shape: Shape = ()
    for tensor in tensors:
        output_shape = broadcast_shape(output_shape, tensor.shape)
    output = emitter.emit(
        kind,
        {f"input{position}_id": tensor for position, tensor in enumerate(tensors, 1)},
        output_shape,
        quantization=epilogue.quantization,
        clamp=epilogue.clamp,
    )
    emitter.finish(node, epilogue, Value(output, layout))


def parameter(
    emitter: Emitter,
    node: Node,
    operand: Constant,
    order: Order,
    quantization: Quantization | None,
    shape: Shape | None,
) -> Tensor:
    """A constant operand: a number as one element, else permuted to `order`, then seen as `shape` if one is given."""
    if operand.value.numel() == 1:
        return number(emitter, node, operand.value.item(), quantization)
    array = operand.array.reshape(widen(operand.shape, len(order))).transpose(order)
    return emitter.parameter(array if shape is None else array.reshape(shape), node)


def number(emitter: Emitter, node: Node, value: float, quantization: Quantization | None) -> Tensor:
    """A constant of one element. In an int8 operation its code is 127, -127 or 0, and exact."""
    if quantization is None:
        return emitter.parameter(np.array([value], np.float64), node)
    form = int8_form(Constant(torch.tensor(value, dtype=torch.float64)))
    return emitter.constant(np.array([np.sign(value) * 127], np.int8), DataType.QINT8, form)


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
    a, b = (number(emitter, node, constant, None) for constant in (factor, 0.044715 * factor))

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
