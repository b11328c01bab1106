"""A ReLU whose values become unsigned codes is what the codes do anyway."""

from __future__ import annotations

from typing import Any

from converters.coreml import toolchain
from converters.coreml.passes.registration import GraphPass, register_pass

MOVES = ("concat", "reshape", "slice_by_index")


@register_pass
class saturated_relu(GraphPass):  # type: ignore[misc]  # noqa: N801  # untyped base; a pass is known by its class name
    """Takes out a ReLU before a quantize to uint8 with zero point 0, which turns everything below 0 into 0 by saturation."""

    def apply(self, program: Any) -> None:
        for function in program.functions.values():
            with function:
                for operation in list(function.operations):
                    if operation.op_type == "relu" and _saturates(function, operation):
                        function.replace_uses_of_var_after_op(
                            anchor_op=operation, old_var=operation.outputs[0], new_var=operation.x
                        )
                        function.remove_ops([operation])


def _saturates(function: Any, operation: Any) -> bool:
    """Whether whatever reads the result makes codes of it that have no place for a negative number."""
    (result,) = operation.outputs
    return result not in function.outputs and bool(result.child_ops) and all(map(_is_unsigned, result.child_ops))


def _is_unsigned(reader: Any) -> bool:
    if reader.op_type == "quantize":
        types = toolchain.load("coremltools.converters.mil.mil.types")
        return reader.zero_point is None and bool(types.builtin_to_string(reader.outputs[0].dtype) == "uint8")
    (moved,) = reader.outputs if reader.op_type in MOVES else (None,)
    return moved is not None and bool(moved.child_ops) and all(map(_is_unsigned, moved.child_ops))
