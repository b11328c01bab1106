"""coremltools' optimisation passes as we run them, with our own among them, one file each. Importing this imports coremltools."""

from __future__ import annotations

from typing import Any

from converters.coreml import toolchain
from converters.coreml.passes import (  # noqa: F401  # importing a pass registers it
    constant_sharing,
    float_readers,
    integer_movement,
    saturated_relu,
    short_names,
    sum_scales,
)

PASSES = (
    "common::noop_elimination",
    "common::int_op_canonicalization",
    "common::nullify_redundant_quantization_zero_point",
    "common::dequantize_quantize_pair_elimination",
    "converters::float_readers",
    "converters::integer_movement",
    "converters::saturated_relu",
    "converters::quantized_sum_scale_normalization",
    "common::const_elimination",
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
