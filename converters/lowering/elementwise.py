"""Operands of sums and products."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch.fx import Node

from converters.lowering.emitter import BaseEmitter
from converters.lowering.layout import Order, widen_layout
from converters.lowering.program import arguments, unsupported
from converters.lowering.values import Constant, Quantization, T, Value

SUM_RATIOS = (2.0**-10, 2.0**8)
PRODUCT_RATIOS = (2.0**-16, 2.0**8)
"""The ranges of input scale (of a product: the product of both) over output scale that XNNPACK's int8 operations are written for."""


def operands(emitter: BaseEmitter[T], node: Node) -> list[Value[T] | Constant]:
    """The two operands of a node; a number is a constant."""
    named = arguments(node)
    if named.get("alpha", 1) != 1:
        raise unsupported(node, f"with alpha={named['alpha']}", "multiply before adding")
    return [as_operand(emitter, argument) for argument in list(named.values())[:2]]


def as_operand(emitter: BaseEmitter[T], argument: Node | float) -> Value[T] | Constant:
    """The value of an argument; a number is a constant."""
    if isinstance(argument, Node):
        return emitter.values[argument]
    return Constant(torch.tensor(float(argument), dtype=torch.float64))


def int8_form(operand: Value[T] | Constant) -> Quantization | None:
    """How the operand can take part in an int8 operation: as int8 activation or as a number; None if it cannot."""
    if isinstance(operand, Value):
        return operand.quantization
    if operand.value.numel() != 1:
        return None
    return Quantization(scales=(abs(operand.value.item()) / 127 or 1.0,))


def scales_allowed(inputs: Sequence[Quantization | None], output: Quantization, *, product: bool) -> bool:
    """Whether XNNPACK's int8 sum or product is exact enough with these scales."""
    scales = [quantization.scale for quantization in inputs if quantization]
    lower, upper = PRODUCT_RATIOS if product else SUM_RATIOS
    return all(lower <= ratio / output.scale < upper for ratio in ([math.prod(scales)] if product else scales))


def as_they_are(operands: Sequence[Value[T] | Constant], reference: Value[T]) -> bool:
    """Whether the tensors combine without a reshape: same layout and tensor shape, constants full-sized or single."""
    for item in operands:
        if isinstance(item, Constant):
            single = item.value.numel() == 1 and len(item.shape) <= len(reference.layout.shape)
            if not single and item.shape != reference.layout.shape:
                return False
        elif item.layout != reference.layout or item.tensor.shape != reference.tensor.shape:
            return False
    return True


def aligned(emitter: BaseEmitter[T], value: Value[T], order: Order) -> T:
    """The tensor stored in `order` (of the result's rank), leading dimensions of size 1 left off."""
    layout = widen_layout(value.layout, len(order))
    value = emitter.ordered(Value(value.tensor, layout), order)
    shape = value.layout.stored
    while shape and shape[0] == 1 and value.tensor.shape != shape:
        shape = shape[1:]
    return value.tensor if value.tensor.shape == shape else emitter.stored(value)


def power_operation(node: Node, operations: Mapping[float, str]) -> str:
    """The operation that stands for an aten.pow, from a table by exponent. Raises ToolchainError for another one."""
    exponent = arguments(node)["exponent"]
    if exponent not in operations:
        raise unsupported(node, f"with exponent {exponent}", f"use one of {', '.join(map(str, operations))}")
    return operations[exponent]
