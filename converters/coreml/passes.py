"""coremltools' optimisation passes as we run them. Importing this module imports coremltools."""

from __future__ import annotations

from typing import Any

import numpy as np

from converters.coreml import toolchain

_registry = toolchain.load("coremltools.converters.mil.mil.passes.pass_registry")
_graph_pass = toolchain.load("coremltools.converters.mil.mil.passes.graph_pass")
_quantization = toolchain.load("coremltools.converters.mil.mil.passes.defs.optimize_quantization")

CODE_SPAN = 255
FP16_MAX = 65504.0


@_registry.register_pass(namespace="converters")
class quantized_sum_scale_normalization(  # noqa: N801  # a pass is known by its class name
    _quantization.distributive_quantized_binary_op_scale_normalization  # type: ignore[name-defined,misc]  # untyped base
):
    """The stock pass divides both scales of a quantized sum by one of them, so that a term comes as bare codes.

    It accepts any quotient that fp16 can hold; codes times that quotient overflow from 257 on (coremltools 9.0,
    converters/mil/mil/passes/defs/optimize_quantization.py, `try_to_divide`). Here the whole sum has to fit.
    """

    @staticmethod
    def overflow_fp16(x: Any) -> bool:
        return bool(CODE_SPAN * (np.max(np.abs(x)) + 1) > FP16_MAX)


@_registry.register_pass(namespace="converters")
class constant_sharing(_graph_pass.AbstractGraphPass):  # type: ignore[name-defined,misc]  # noqa: N801  # as above
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


@_registry.register_pass(namespace="converters")
class short_names(_graph_pass.AbstractGraphPass):  # type: ignore[name-defined,misc]  # noqa: N801  # as above
    """Numbers all values, and the operations that nobody looks up by name: constants, weights, quantize and dequantize.

    A value's name is written where the value is made, and again wherever it is taken. Other operations keep their own names,
    which say their module.
    """

    def apply(self, program: Any) -> None:
        for function in program.functions.values():
            outputs = {var.name for var in function.outputs}
            for number, operation in enumerate(function.operations):
                letter = SHORT.get(operation.op_type.split("_")[0])
                if len(operation.outputs) > 1 or operation.outputs[0].name in outputs:
                    continue
                operation.outputs[0].name = f"{letter or VALUE}{number}"
                if letter is not None:
                    operation.name = operation.outputs[0].name


SHORT = {"const": "c", "constexpr": "w", "quantize": "q", "dequantize": "d"}
VALUE = "v"


def _identity(var: Any) -> Any:
    """Equal for constants of one type and value, to the bit."""
    if isinstance(var.val, (np.ndarray, np.generic)):
        return (str(var.sym_type.__type_info__()), var.val.tobytes())
    return (str(var.sym_type.__type_info__()), str(var.val)) if isinstance(var.val, (str, bool, int)) else id(var)


PASSES = (
    "common::noop_elimination",
    "common::int_op_canonicalization",
    "common::nullify_redundant_quantization_zero_point",
    "common::dequantize_quantize_pair_elimination",
    "converters::quantized_sum_scale_normalization",
    "common::const_elimination",
    "common::divide_to_multiply",
    "common::fuse_matmul_weight_bias",
    "common::fuse_linear_bias",
    "common::fuse_squeeze_expand_dims",
    "common::merge_consecutive_paddings",
    "common::fuse_pad_conv",
    "common::fuse_conv_scale",
    "common::fuse_conv_bias",
    "common::merge_consecutive_relus",
    "common::merge_consecutive_reshapes",
    "common::merge_consecutive_transposes",
    "common::expand_high_rank_reshape_and_transpose",
    "common::reduce_transposes",
    "common::fuse_transpose_matmul",
    "common::remove_redundant_ops",
    "common::cast_optimization",
    "common::noop_elimination",
    "common::const_elimination",
    "converters::constant_sharing",
    "common::dedup_op_and_var_names",
    "common::topological_reorder",
    "common::dead_code_elimination",
    "converters::short_names",
)
"""Those of coremltools' default pipeline that can find something in a program written by `emit`, in its order.

The other sixty serve what other frontends write (TensorFlow idioms, batch norms, casts to float16) and cost four fifths of
the time. A test holds the result against the whole pipeline's.
"""


def pipeline() -> Any:
    """The passes above, as `coremltools.convert` takes them."""
    return toolchain.load().PassPipeline(list(PASSES))
