"""Codes that no integer operation reads are not made."""

from __future__ import annotations

from typing import Any

from converters.coreml.passes.registration import GraphPass, register_pass

LAYERS = ("conv", "linear")
SUMS = ("add", "sub", "mul")
PRODUCTS = ("matmul",)
MOVES = ("reshape", "slice_by_index")


@register_pass
class float_readers(GraphPass):  # type: ignore[misc]  # noqa: N801  # untyped base; a pass is known by its class name
    """Takes out a quantize and its dequantizes where only float operations read what comes back.

    The plan quantizes the result of every int8 layer, since the kernels of other runtimes make nothing else. Here a layer's result may
    stay float: an activation, a softmax or a concatenation then reads what the layer computed, without the rounding, and the
    runtime has two operations less.
    """

    def apply(self, program: Any) -> None:
        for function in program.functions.values():
            with function:
                for operation in reversed(list(function.operations)):  # a reader is decided before what it reads
                    if operation.op_type == "quantize":
                        _stay_float(function, operation)


def _stay_float(function: Any, quantize: Any) -> None:
    dequantizes = list(quantize.outputs[0].child_ops)
    if any(user.op_type != "dequantize" or user.outputs[0] in function.outputs for user in dequantizes):
        return
    if any(_reads_integers(reader) for user in dequantizes for reader in user.outputs[0].child_ops):
        return
    for user in dequantizes:
        function.replace_uses_of_var_after_op(anchor_op=user, old_var=user.outputs[0], new_var=quantize.input)
    function.remove_ops([*dequantizes, quantize])


def _reads_integers(operation: Any) -> bool:
    """Whether Core ML has an integer form of an operation that takes a dequantized value, with its other operands and its readers."""
    match operation.op_type:
        case "quantize":
            return True
        case kind if kind in LAYERS:
            return True
        case kind if kind in PRODUCTS:
            return all(map(_made_by_integers, (operation.x, operation.y)))
        case kind if kind in SUMS:
            return _is_quantized(operation) and all(map(_made_by_integers, (operation.x, operation.y)))
        case kind:
            return kind in MOVES and any(map(_reads_integers, operation.outputs[0].child_ops))


def _is_quantized(operation: Any) -> bool:
    """Whether all that comes out becomes codes."""
    return all(user.op_type == "quantize" for output in operation.outputs for user in output.child_ops)


def _made_by_integers(var: Any) -> bool:
    """Whether `var` comes back from codes that something else than a product of floats gave: to round that only in order to add it
    gains nothing.
    """
    operation = var.op
    if operation is None or operation.op_type != "dequantize":
        return False
    made = operation.input.op
    while made is not None and made.op_type in ("quantize", *MOVES):
        made = (made.input if made.op_type == "quantize" else made.x).op
    return made is None or made.op_type not in PRODUCTS
