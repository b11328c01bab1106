"""One scale of a quantized sum becomes 1, where that cannot overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from converters.coreml import toolchain
from converters.coreml.passes.registration import register_pass

_quantization = toolchain.load("coremltools.converters.mil.mil.passes.defs.optimize_quantization")

CODE_SPAN = 255
FP16_MAX = 65504.0


@register_pass
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
