"""Operations on each element: sums, products, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.fx import Node

from converters.lowering.elementwise import aligned, as_they_are, int8_form, operands, power_operation, scales_allowed
from converters.lowering.layout import Layout, Order, Shape, broadcast_shape, widen, widen_layout
from converters.lowering.program import arguments, result_shape, tensor_name
from converters.lowering.values import Constant, Quantization, Value
from converters.tflite.emitter import LOGISTIC_QUANTIZATION, Emitter, clamp_kind
from converters.tflite.graph import Activation, Tensor

INT8 = {"ADD", "SUB", "MUL"}
"""What XNNPACK has an int8 form of."""
FUSES_CLAMP = {"ADD", "SUB", "MUL", "DIV"}

Operand = Value[Tensor] | Constant


def binary(code: str, *, exchanged: bool = False) -> Callable[[Emitter, Node], None]:
    """The emitter of a two-operand operation. The second may be a number; `exchanged` swaps the two (rsub)."""

    def emit(emitter: Emitter, node: Node) -> None:
        first, second = operands(emitter, node)
        write_binary(emitter, node, code, [second, first] if exchanged else [first, second])

    return emit


def divide(emitter: Emitter, node: Node) -> None:
    """aten.div: by a constant as a product with its reciprocal."""
    dividend, divisor = operands(emitter, node)
    if isinstance(divisor, Constant):
        return write_binary(emitter, node, "MUL", [dividend, Constant(1 / divisor.value.to(torch.float64))])
    return write_binary(emitter, node, "DIV", [dividend, divisor])


def write_binary(emitter: Emitter, node: Node, code: str, items: list[Operand]) -> None:
    """Writes the operation in the storage order of its largest operand; constants follow at conversion time."""
    quantizations = [int8_operand(emitter, operand) for operand in items]
    epilogue = emitter.epilogue(node, int8=None not in quantizations and code in INT8, clamp=code in FUSES_CLAMP)
    if epilogue.quantization and not (
        emitter.integer_only or scales_allowed(quantizations, epilogue.quantization, product=code == "MUL")
    ):
        epilogue = emitter.epilogue(node, int8=False, clamp=code in FUSES_CLAMP)
    if epilogue.quantization is None:
        items = [emitter.dequantized(item) if isinstance(item, Value) else item for item in items]
    values = [item for item in items if isinstance(item, Value)]
    reference = max(values, key=lambda value: math.prod(value.layout.shape))
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
    options: dict[str, Any] = {"fusedActivationFunction": epilogue.activation} if code in FUSES_CLAMP else {}
    output = emitter.emit(
        code, tensors, output_shape, name=tensor_name(node), quantization=epilogue.quantization, **options
    )
    emitter.finish(node, epilogue, Value(output, layout))


def int8_operand(emitter: Emitter, operand: Operand) -> Quantization | None:
    """How the operand can take part in an int8 operation. XNNPACK's have no constants but single numbers."""
    if (
        emitter.integer_only
        and isinstance(operand, Constant)
        and operand.codes is not None
        and operand.value.numel() > 1
    ):
        return operand.quantization
    return int8_form(operand)


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
    values = operand.array if quantization is None or operand.codes is None else operand.codes.numpy()
    array = values.reshape(widen(operand.shape, len(order))).transpose(order)
    array = array if shape is None else array.reshape(shape)
    if quantization is None:
        return emitter.weight(array, node=node, role="operand")
    return emitter.constant(array, name=f"{tensor_name(node)}/operand", quantization=operand.quantization)


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
    kind = clamp_kind(node)
    if kind is not None:
        return write_unary(emitter, node, {Activation.RELU: "RELU", Activation.RELU6: "RELU6"}[kind])
    named = arguments(node)
    lower, upper = list(named.values())[1:3] if len(named) > 2 else (named["min"], None)
    value: Operand = emitter.values[node.args[0]]  # type: ignore[index]
    limits = [(code, limit) for code, limit in (("MAXIMUM", lower), ("MINIMUM", upper)) if limit is not None]
    if emitter.integer_only and isinstance(value, Value) and value.quantization is not None:
        return emitter.bind(node, integer_clamp(emitter, node, value, value.quantization, limits))
    for code, limit in limits:
        assert isinstance(value, Value)
        value = emitter.dequantized(value)
        operand = number(emitter, node, float(limit), None)
        tensor = emitter.emit(code, [value.tensor, operand], value.tensor.shape, name=tensor_name(node))
        value = Value(tensor, value.layout)
    return emitter.bind(node, value)


def integer_clamp(
    emitter: Emitter, node: Node, value: Value[Tensor], quantization: Quantization, limits: list[tuple[str, Any]]
) -> Value[Tensor]:
    """The int8 value clamped to the codes of the limits; nothing for a limit that no code lies beyond."""
    for code, limit in limits:
        level = int(np.clip(round(float(limit) / quantization.scale) + quantization.zero_point, -128, 127))
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
