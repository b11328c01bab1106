"""int8 activations and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from converters.coreml.values import Var
from converters.errors import ToolchainError

if TYPE_CHECKING:
    from converters.coreml.emitter import Emitter


def quantize(e: Emitter, x: Var, scale: float, zero_point: int, low: int, high: int, dtype: torch.dtype) -> Var:
    _check_code_range(e, low, high, dtype)
    return e.op("quantize", input=x, scale=_scale(e, scale), zero_point=_zero_point(zero_point), output_dtype="int8")


def dequantize(e: Emitter, x: Var, scale: float, zero_point: int, low: int, high: int, dtype: torch.dtype) -> Var:
    _check_code_range(e, low, high, dtype)
    return e.op("dequantize", input=x, scale=_scale(e, scale), zero_point=_zero_point(zero_point))


def _zero_point(value: int) -> np.int8 | None:
    """MIL leaves a zero point of 0 out."""
    return np.int8(value) if value else None


def _check_code_range(e: Emitter, low: int, high: int, dtype: torch.dtype) -> None:
    """MIL clamps to the whole range of its integer type. Raises ToolchainError where the program wants another."""
    if (low, high, dtype) != (-128, 127, torch.int8):
        raise ToolchainError(
            got=f"activation codes {low}..{high} as {dtype} in module {e.module_path or '(top)'}",
            allowed="-128..127 as torch.int8",
            do="quantize with `quantize_program`",
        )


def _scale(e: Emitter, scale: float) -> Any:
    """`scale` in the program's precision. Raises ToolchainError where that makes it zero."""
    rounded = e.constant(scale)
    if not rounded > 0:
        raise ToolchainError(
            got=f"quantization scale {scale:g} in module {e.module_path or '(top)'}",
            allowed=f"at least {np.finfo(e.dtype).smallest_subnormal:g}, the least that {np.dtype(e.dtype).name} holds",
            do="keep the tensor float in the quantization plan",
        )
    return rounded


def compressed_weight(e: Emitter, codes: Tensor, scales: Tensor, zero_points: Tensor, axis: int, *_: Any) -> Var:
    """A weight that stays int8 in the file: (C_out, ...) codes with one scale per slice along `axis`."""
    e.node = next(iter(e.node.users))  # parameters have no module path of their own
    part, offset = "weight", zero_points.to(torch.int8)
    if not e.blockwise:
        return e.op(
            "constexpr_affine_dequantize", part, quantized_data=codes, zero_point=offset, scale=scales, axis=axis
        )
    shape = [1] * codes.ndim
    shape[axis] = -1
    shift = offset.view(shape) if offset.any() else None
    data = e.weight(codes)
    return e.op("constexpr_blockwise_shift_scale", part, data=data, scale=scales.view(shape), offset=shift)
