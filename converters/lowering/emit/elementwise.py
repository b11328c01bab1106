"""Sums and products of two operands, value by value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from converters.lowering.arithmetic import Arithmetic
from converters.lowering.elementwise import aligned, as_they_are, int8_form, operands, scales_allowed
from converters.lowering.emitter import BaseEmitter
from converters.lowering.layout import Layout, Order, Shape, broadcast_shape, widen, widen_layout
from converters.lowering.program import result_shape, tensor_name
from converters.lowering.values import Constant, Quantization, T, Value


def binary(kind: Arithmetic, *, exchanged: bool = False) -> Callable[[BaseEmitter[Any], Node], None]:
    """The emitter of a two-operand operation. The second may be a number; `exchanged` swaps the two (rsub)."""

    def emit(emitter: BaseEmitter[T], node: Node) -> None:
        first, second = operands(emitter, node)
        write_binary(emitter, node, kind, [second, first] if exchanged else [first, second])

    return emit


def divide(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.div: by a constant as a product with its reciprocal."""
    dividend, divisor = operands(emitter, node)
    if isinstance(divisor, Constant):
        reciprocal = Constant(1 / divisor.value.to(torch.float64))
        return write_binary(emitter, node, Arithmetic.MUL, [dividend, reciprocal])
    return write_binary(emitter, node, Arithmetic.DIV, [dividend, divisor])


def write_binary(emitter: BaseEmitter[T], node: Node, kind: Arithmetic, items: list[Value[T] | Constant]) -> None:
    """Writes the operation in the storage order of its largest operand; constants follow at conversion time."""
    quantizations = [int8_operand(emitter, operand) for operand in items]
    epilogue = emitter.epilogue(node, int8=None not in quantizations and kind.has_int8, clamp=kind.fuses_clamp)
    if epilogue.quantization and not (
        emitter.integer_only or scales_allowed(quantizations, epilogue.quantization, product=kind is Arithmetic.MUL)
    ):
        epilogue = emitter.epilogue(node, int8=False, clamp=kind.fuses_clamp)
    if epilogue.quantization is None:
        items = [emitter.dequantized(item) if isinstance(item, Value) else item for item in items]
    values = [item for item in items if isinstance(item, Value)]
    # Of equals, the one that convolutions have already put into their own order.
    reference = max(values, key=lambda value: (math.prod(value.layout.shape), value.layout.order))
    layout, tensors = together(emitter, node, items, reference, epilogue.quantization)
    output_shape: Shape = ()
    for tensor in tensors:
        output_shape = broadcast_shape(output_shape, tensor.shape)
    output = emitter.write_binary(kind, tensors, output_shape, epilogue, name=tensor_name(node))
    emitter.finish(node, epilogue, Value(output, layout))


def together(
    emitter: BaseEmitter[T],
    node: Node,
    items: list[Value[T] | Constant],
    reference: Value[T],
    quantization: Quantization | None,
) -> tuple[Layout, list[T]]:
    """The operands as tensors that broadcast, and the layout of the result."""
    if as_they_are(items, reference):
        order, shape = reference.layout.order, reference.tensor.shape
        return reference.layout, [
            item.tensor if isinstance(item, Value) else parameter(emitter, node, item, order, quantization, shape)
            for item in items
        ]
    order = widen_layout(reference.layout, len(result_shape(node))).order
    return Layout(result_shape(node), order), [
        aligned(emitter, item, order)
        if isinstance(item, Value)
        else parameter(emitter, node, item, order, quantization, None)
        for item in items
    ]


def int8_operand(emitter: BaseEmitter[T], operand: Value[T] | Constant) -> Quantization | None:
    """How the operand can take part in an int8 operation. XNNPACK's have no constants but single numbers."""
    coded = isinstance(operand, Constant) and operand.codes is not None and operand.value.numel() > 1
    return operand.quantization if coded and emitter.integer_only else int8_form(operand)


def parameter(
    emitter: BaseEmitter[T],
    node: Node,
    operand: Constant,
    order: Order,
    quantization: Quantization | None,
    shape: Shape | None,
) -> T:
    """A constant operand: a number as one element, else permuted to `order`, then seen as `shape` if one is given."""
    if operand.value.numel() == 1:
        return number(emitter, node, operand.value.item(), quantization)
    values = operand.array if quantization is None or operand.codes is None else operand.codes.numpy()
    array = values.reshape(widen(operand.shape, len(order))).transpose(order)
    array = array if shape is None else array.reshape(shape)
    if quantization is None or operand.quantization is None:
        return emitter.float_parameter(array, node, role="operand")
    return emitter.coded_parameter(array, operand.quantization, node, role="operand")


def number(emitter: BaseEmitter[T], node: Node, value: float, quantization: Quantization | None = None) -> T:
    """A constant of one element. In an int8 operation, that of `quantization`, its code is 127, -127 or 0, and exact."""
    form = None if quantization is None else int8_form(Constant(torch.tensor(value, dtype=torch.float64)))
    return emitter.write_number(value, node, form)
