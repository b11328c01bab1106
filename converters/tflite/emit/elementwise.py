"""Operations on each element: sums, products, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.fx import Node

from converters.tflite.emitter import LOGISTIC_QUANTIZATION, Constant, Emitter, Value, clamp_kind
from converters.tflite.graph import Activation, Quantization, Tensor
from converters.tflite.layout import Layout, Order, Shape, broadcast_shape, widen, widen_layout
from converters.tflite.program import arguments, result_shape, tensor_name, unsupported

INT8_SCALES = {
    "ADD": (2.0**-10, 2.0**8),
    "SUB": (2.0**-10, 2.0**8),
    "MUL": (2.0**-16, 2.0**8),
}
"""int8 forms that XNNPACK has, and the range it allows for input scale (MUL: their product) over output scale."""
FUSES_CLAMP = {"ADD", "SUB", "MUL", "DIV"}

Operand = Value | Constant


def binary(code: str, *, exchanged: bool = False) -> Callable[[Emitter, Node], None]:
    """The emitter of a two-operand operation. The second may be a number; `exchanged` swaps the two (rsub)."""

    def emit(emitter: Emitter, node: Node) -> None:
        named = arguments(node)
        if named.get("alpha", 1) != 1:
            raise unsupported(node, f"with alpha={named['alpha']}", "multiply before adding")
        operands = [as_operand(emitter, argument) for argument in list(named.values())[:2]]
        write_binary(emitter, node, code, operands[::-1] if exchanged else operands)

    return emit


def divide(emitter: Emitter, node: Node) -> None:
    """aten.div: by a constant as a product with its reciprocal."""
    named = arguments(node)
    dividend, divisor = (as_operand(emitter, argument) for argument in list(named.values())[:2])
    if isinstance(divisor, Constant):
        return write_binary(emitter, node, "MUL", [dividend, Constant(1 / divisor.value.to(torch.float64))])
    return write_binary(emitter, node, "DIV", [dividend, divisor])


def as_operand(emitter: Emitter, argument: Node | float) -> Operand:
    """The value of an argument; a number is a constant."""
    if isinstance(argument, Node):
        return emitter.values[argument]
    return Constant(torch.tensor(float(argument), dtype=torch.float64))


def write_binary(emitter: Emitter, node: Node, code: str, operands: list[Operand]) -> None:
    """Writes the operation in the storage order of its largest operand; constants follow at conversion time."""
    quantizations = [int8_form(operand) for operand in operands]
    epilogue = emitter.epilogue(node, int8=None not in quantizations and code in INT8_SCALES, clamp=code in FUSES_CLAMP)
    if epilogue.quantization and not scales_allowed(code, quantizations, epilogue.quantization):
        epilogue = emitter.epilogue(node, int8=False, clamp=code in FUSES_CLAMP)
    if epilogue.quantization is None:
        operands = [emitter.dequantized(item) if isinstance(item, Value) else item for item in operands]
    values = [item for item in operands if isinstance(item, Value)]
    reference = max(values, key=lambda value: math.prod(value.layout.shape))
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
    options: dict[str, Any] = {"fusedActivationFunction": epilogue.activation} if code in FUSES_CLAMP else {}
    output = emitter.emit(
        code, tensors, output_shape, name=tensor_name(node), quantization=epilogue.quantization, **options
    )
    emitter.finish(node, epilogue, Value(output, layout))


def int8_form(operand: Operand) -> Quantization | None:
    """How the operand can take part in an int8 operation: as int8 activation or as a number; None if it cannot."""
    if isinstance(operand, Value):
        return operand.quantization
    if operand.value.numel() != 1:
        return None
    return Quantization(scales=(abs(operand.value.item()) / 127 or 1.0,))


def scales_allowed(code: str, inputs: list[Quantization | None], output: Quantization) -> bool:
    """Whether XNNPACK takes the int8 operation with these scales."""
    scales = [quantization.scale for quantization in inputs if quantization]
    ratios = [math.prod(scales)] if code == "MUL" else scales
    lower, upper = INT8_SCALES[code]
    return all(lower <= ratio / output.scale < upper for ratio in ratios)


def as_they_are(operands: list[Operand], reference: Value) -> bool:
    """Whether the tensors combine without a reshape: same layout and tensor shape, constants full-sized or single."""
    for item in operands:
        if isinstance(item, Constant):
            single = item.value.numel() == 1 and len(item.shape) <= len(reference.layout.shape)
            if not single and item.shape != reference.layout.shape:
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
    """A constant operand: a number as a scalar, else permuted to `order`, then seen as `shape` if one is given."""
    if operand.value.numel() == 1:
        return number(emitter, node, operand.value.item(), quantization)
    array = operand.array.reshape(widen(operand.shape, len(order))).transpose(order)
    return emitter.weight(array if shape is None else array.reshape(shape), node=node, role="operand")


def number(emitter: Emitter, node: Node, value: float, quantization: Quantization | None) -> Tensor:
    """A scalar constant. In an int8 operation its code is 127, -127 or 0, and exact."""
    name = f"{tensor_name(node)}/operand"
    if quantization is None:
        return emitter.constant(np.array(value, np.float32), name=name)
    form = int8_form(Constant(torch.tensor(value, dtype=torch.float64)))
    return emitter.constant(np.array(np.sign(value) * 127, np.int8), name=name, quantization=form)


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
    kind = clamp_kind(node)
    if kind is not None:
        return write_unary(emitter, node, {Activation.RELU: "RELU", Activation.RELU6: "RELU6"}[kind])
    named = arguments(node)
    lower, upper = list(named.values())[1:3] if len(named) > 2 else (named["min"], None)
    value: Operand = emitter.values[node.args[0]]  # type: ignore[index]
    limits = [(code, limit) for code, limit in (("MAXIMUM", lower), ("MINIMUM", upper)) if limit is not None]
    for code, limit in limits:
        assert isinstance(value, Value)
        value = emitter.dequantized(value)
        operand = number(emitter, node, float(limit), None)
        tensor = emitter.emit(code, [value.tensor, operand], value.tensor.shape, name=tensor_name(node))
        value = Value(tensor, value.layout)
    return emitter.bind(node, value)


POWERS = {2: "SQUARE", 0.5: "SQRT", -0.5: "RSQRT"}


def power(emitter: Emitter, node: Node) -> None:
    """aten.pow with the exponents that have an operation."""
    exponent = arguments(node)["exponent"]
    if exponent not in POWERS:
        raise unsupported(node, f"with exponent {exponent}", f"use one of {', '.join(map(str, POWERS))}")
    write_unary(emitter, node, POWERS[exponent])
