"""Operations on each element: sums, products, activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.fx import Node

from converters.executorch.emitter import Constant, Emitter, Value, clamp_limits
from converters.executorch.graph import Clamp, DataType, Tensor
from converters.tflite.graph import Quantization
from converters.tflite.layout import Layout, Order, Shape, broadcast_shape, widen, widen_layout
from converters.tflite.program import arguments, result_shape, unsupported

INT8_SCALES = {
    "Add": (2.0**-10, 2.0**8),
    "Subtract": (2.0**-10, 2.0**8),
    "Multiply": (2.0**-16, 2.0**8),
}
"""int8 forms that XNNPACK has, and the range of input scale (Multiply: their product) over output scale it is written for."""
FUSES_CLAMP = {"Add", "Subtract", "Multiply", "Div"}

Operand = Value | Constant


def binary(kind: str, *, exchanged: bool = False) -> Callable[[Emitter, Node], None]:
    """The emitter of a two-operand operation. The second may be a number; `exchanged` swaps the two (rsub)."""

    def emit(emitter: Emitter, node: Node) -> None:
        named = arguments(node)
        if named.get("alpha", 1) != 1:
            raise unsupported(node, f"with alpha={named['alpha']}", "multiply before adding")
        operands = [as_operand(emitter, argument) for argument in list(named.values())[:2]]
        write_binary(emitter, node, kind, operands[::-1] if exchanged else operands)

    return emit


def divide(emitter: Emitter, node: Node) -> None:
    """aten.div: by a constant as a product with its reciprocal."""
    named = arguments(node)
    dividend, divisor = (as_operand(emitter, argument) for argument in list(named.values())[:2])
    if isinstance(divisor, Constant):
        return write_binary(emitter, node, "Multiply", [dividend, Constant(1 / divisor.value.to(torch.float64))])
    return write_binary(emitter, node, "Div", [dividend, divisor])


def as_operand(emitter: Emitter, argument: Node | float) -> Operand:
    """The value of an argument; a number is a constant."""
    if isinstance(argument, Node):
        return emitter.values[argument]
    return Constant(torch.tensor(float(argument), dtype=torch.float64))


def write_binary(emitter: Emitter, node: Node, kind: str, operands: list[Operand]) -> None:
    """Writes the operation in the storage order of its largest operand; constants follow at conversion time."""
    quantizations = [int8_form(operand) for operand in operands]
    fuses = kind in FUSES_CLAMP
    epilogue = emitter.epilogue(node, int8=None not in quantizations and kind in INT8_SCALES, clamp=fuses)
    if epilogue.quantization and not scales_allowed(kind, quantizations, epilogue.quantization):
        epilogue = emitter.epilogue(node, int8=False, clamp=fuses)
    if epilogue.quantization is None:
        operands = [emitter.dequantized(item) if isinstance(item, Value) else item for item in operands]
    values = [item for item in operands if isinstance(item, Value)]
    # Of equals, the one that convolutions have already put into their own order.
    reference = max(values, key=lambda value: (math.prod(value.layout.shape), value.layout.order))
    shape = result_shape(node)
    if as_they_are(operands, reference):
        layout = reference.layout
        tensors = [
            item.tensor
            if isinstance(item, Value)
            else parameter(emitter, node, item, layout.order, epilogue.quantization, reference.tensor.shape)
            for item in operands
        ]
    else:
        order = widen_layout(reference.layout, len(shape)).order
        layout = Layout(shape, order)
        tensors = [aligned(emitter, node, item, order, epilogue.quantization) for item in operands]
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


def int8_form(operand: Operand) -> Quantization | None:
    """How the operand can take part in an int8 operation: as int8 activation or as a number; None if it cannot."""
    if isinstance(operand, Value):
        return operand.quantization
    if operand.value.numel() != 1:
        return None
    return Quantization(scales=(abs(operand.value.item()) / 127 or 1.0,))


def scales_allowed(kind: str, inputs: list[Quantization | None], output: Quantization) -> bool:
    """Whether XNNPACK's int8 operation is exact enough with these scales."""
    scales = [quantization.scale for quantization in inputs if quantization]
    ratios = [math.prod(scales)] if kind == "Multiply" else scales
    lower, upper = INT8_SCALES[kind]
    return all(lower <= ratio / output.scale < upper for ratio in ratios)


def as_they_are(operands: list[Operand], reference: Value) -> bool:
    """Whether the tensors combine without a reshape: same layout and tensor shape, constants full-sized or single."""
    for item in operands:
        if isinstance(item, Constant):
            if item.value.numel() != 1 and item.shape != reference.layout.shape:
                return False
        elif item.layout != reference.layout or item.tensor.shape != reference.tensor.shape:
            return False
    return True


def aligned(emitter: Emitter, node: Node, operand: Operand, order: Order, quantization: Quantization | None) -> Tensor:
    """The operand's tensor stored in `order` (of the result's rank), leading dimensions of size 1 left off."""
    if isinstance(operand, Constant):
        return parameter(emitter, node, operand, order, quantization, None)
    layout = widen_layout(operand.layout, len(order))
    value = emitter.ordered(Value(operand.tensor, layout), order)
    shape = value.layout.stored
    while shape and shape[0] == 1 and value.tensor.shape != shape:
        shape = shape[1:]
    return value.tensor if value.tensor.shape == shape else emitter.stored(value)


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
    exponent = arguments(node)["exponent"]
    if exponent not in POWERS:
        raise unsupported(node, f"with exponent {exponent}", f"use one of {', '.join(map(str, POWERS))}")
    write_unary(emitter, node, POWERS[exponent])
