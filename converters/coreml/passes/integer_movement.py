"""Slices of quantized tensors are taken of the codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from converters.coreml import toolchain
from converters.coreml.passes.registration import GraphPass, register_pass

MOVES = ("slice_by_index",)
"""Operations that take int8 (iOS 17) and only move values. `reshape` has coremltools' own `int_op_canonicalization`; `concat` takes
no int8.
"""


@register_pass
class integer_movement(GraphPass):  # type: ignore[misc]  # noqa: N801  # untyped base; a pass is known by its class name
    """dequantize -> slice -> quantize, with one scale and zero point, becomes a slice of int8: the same codes, one operation."""

    def apply(self, program: Any) -> None:
        for function in program.functions.values():
            with function:
                for operation in list(function.operations):
                    _move_codes(function, operation)


def _move_codes(function: Any, operation: Any) -> None:
    if operation.op_type not in MOVES or operation.x.op is None or operation.x.op.op_type != "dequantize":
        return
    (moved,) = operation.outputs
    dequantize, quantizes = operation.x.op, list(moved.child_ops)
    same = all(user.op_type == "quantize" and _parameters(user) == _parameters(dequantize) for user in quantizes)
    if not quantizes or not same or moved in function.outputs:
        return
    builder = getattr(toolchain.load("coremltools.converters.mil.mil").Builder, operation.op_type)
    arguments = {key: value for key, value in operation.inputs.items() if value is not None}
    codes = builder(**{**arguments, "x": dequantize.input}, before_op=operation)
    for quantize in quantizes:
        function.replace_uses_of_var_after_op(anchor_op=quantize, old_var=quantize.outputs[0], new_var=codes)
    function.remove_ops([*quantizes, operation])
    codes.op.name = operation.name


def _parameters(operation: Any) -> tuple[bytes, bytes, Any]:
    """Scale, zero point and type of the codes that a quantize makes or a dequantize takes."""
    codes = operation.outputs[0] if operation.op_type == "quantize" else operation.input
    zero_point = 0 if operation.zero_point is None else operation.zero_point.val
    return np.asarray(operation.scale.val).tobytes(), np.asarray(zero_point, np.int32).tobytes(), codes.dtype
