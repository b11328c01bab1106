"""Equal constants become one."""

from __future__ import annotations

from typing import Any

import numpy as np

from converters.coreml.passes.registration import GraphPass, register_pass


@register_pass
class constant_sharing(GraphPass):  # type: ignore[misc]  # noqa: N801  # untyped base; a pass is known by its class name
    """Lets equal constants be one: strides, axes, type names, the scale of a quantize and of its dequantize.

    Each costs a hundred bytes or two of the specification, which for a small model in int8 come to a third of the file. The
    stock pass shares large tensors only, and those that differ by less than a tolerance.
    """

    def apply(self, program: Any) -> None:
        for function in program.functions.values():
            with function:
                _share_constants(function)


def _share_constants(function: Any) -> None:
    first: dict[Any, Any] = {}
    for operation in list(function.operations):
        if operation.op_type != "const":
            continue
        var = operation.outputs[0]
        kept = first.setdefault(_identity(var), var)
        if kept is not var and var not in function.outputs:
            function.replace_uses_of_var_after_op(anchor_op=operation, old_var=var, new_var=kept, force_replace=True)
            function.remove_ops([operation])


def _identity(var: Any) -> Any:
    """Equal for constants of one type and value, to the bit."""
    if isinstance(var.val, (np.ndarray, np.generic)):
        return (str(var.sym_type.__type_info__()), var.val.tobytes())
    return (str(var.sym_type.__type_info__()), str(var.val)) if isinstance(var.val, (str, bool, int)) else id(var)
