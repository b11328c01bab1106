"""MIL operators as PyTorch functions, in float32; the caller rounds to the program's precision.

Semantics are those of coremltools 9.0, module `coremltools.converters.mil.mil.ops.defs.<file>` named over each group;
parameters carry MIL's names. Float scalars and integer lists of the program come as Python values, weights as tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CODES = {"int8": (-128, 127), "uint8": (0, 255)}
ZERO = torch.tensor(0.0)
CAST = {"fp16": torch.float32, "fp32": torch.float32, "int32": torch.int32, "int8": torch.int8, "uint8": torch.uint8}
"""MIL data type -> how it is held: fp16 values live in float32, already rounded."""


# iOS15/conv.py, iOS17/conv.py


def conv(
    *,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: list[int],
    pad_type: str,
    pad: list[int],
    dilations: list[int],
    groups: int,
) -> Tensor:
    """2-D convolution: (N, C_in, H, W) with (C_out, C_in/groups, KH, KW); `pad` is top, bottom, left, right."""
    if weight.ndim != 4 or pad_type not in ("valid", "custom"):
        raise NotImplementedError(f"conv of a rank-{weight.ndim} weight with pad_type {pad_type!r}")
    top, bottom, left, right = pad if pad_type == "custom" else (0, 0, 0, 0)
    if (top, left) == (bottom, right):
        return F.conv2d(x, weight, bias, strides, (top, left), dilations, groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, strides, 0, dilations, groups)


# iOS15/linear.py, iOS17/linear.py


def linear(*, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


def matmul(*, x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    left, right = x.mT if transpose_x else x, y.mT if transpose_y else y
    if left.ndim == right.ndim == 3 and len(left) == len(right):
        return torch.bmm(left, right)  # a quarter of the calls that `@` takes to find out
    return left @ right


# iOS15/activation.py


def clip(*, x: Tensor, alpha: float, beta: float) -> Tensor:
    return x.clamp(alpha, beta)


def gelu(*, x: Tensor, mode: str) -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate={"EXACT": "none", "TANH_APPROXIMATION": "tanh"}[mode])


def sigmoid_hard(*, x: Tensor, alpha: float, beta: float) -> Tensor:
    return F.hardtanh_((alpha * x).add_(beta), 0, 1)


def softmax(*, x: Tensor, axis: int) -> Tensor:
    return x.softmax(axis)


# iOS15/normalization.py


def layer_norm(
    *, x: Tensor, axes: list[int], gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float
) -> Tensor:
    """gamma * (x - E[x]) / sqrt(Var[x] + epsilon) + beta over `axes`, with the biased variance."""
    dims = [axis % x.ndim for axis in axes]
    shape = [size if dim in dims else 1 for dim, size in enumerate(x.shape)]
    variance, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
    out = (x - mean) / (variance + epsilon).sqrt()
    if gamma is not None:
        out = out * gamma.reshape(shape)
    return out if beta is None else out + beta.reshape(shape)


# iOS15/elementwise_unary.py, iOS15/elementwise_binary.py, iOS15/reduction.py


def rsqrt(*, x: Tensor, epsilon: float) -> Tensor:
    return 1 / (x + epsilon).sqrt()


def log(*, x: Tensor, epsilon: float) -> Tensor:
    return (x + epsilon).log()


def _unary(function: Callable[[Tensor], Tensor]) -> Kernel:
    return lambda *, x: function(x)


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Kernel:
    """`x` or `y` may be a Python number."""
    return lambda *, x, y: function(torch.as_tensor(x), torch.as_tensor(y))


def _reduction(function: Callable[..., Tensor]) -> Kernel:
    """Over all axes where none are given."""
    return lambda *, x, axes=None, keep_dims=False: function(x, dim=reduced_axes(x, axes), keepdim=keep_dims)


def reduced_axes(x: Tensor, axes: list[int] | None) -> list[int]:
    """The axes that a reduction goes over, counted from the first."""
    return list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]


# iOS17/quantization_ops.py


def quantize(
    *, input: Tensor, scale: Any, zero_point: Any = ZERO, axis: int | None = None, output_dtype: str
) -> Tensor:
    """`codes_of_numbers`, and code 0 for NaN, as processors convert it."""
    codes = codes_of_numbers(input=input, scale=scale, zero_point=zero_point, axis=axis, output_dtype=output_dtype)
    return codes.nan_to_num_()


def codes_of_numbers(
    *, input: Tensor, scale: Any, zero_point: Any = ZERO, axis: int | None = None, output_dtype: str
) -> Tensor:
    """clip(round(input / scale) + zero_point), rounding halves to even; NaN stays. Codes are held in float32, where they are exact."""
    low, high = CODES[output_dtype]
    codes: Tensor = (input / _along(scale, input, axis)).round_().add_(_along(zero_point, input, axis))
    return F.hardtanh_(codes, low, high)


def dequantize(*, input: Tensor, scale: Any, zero_point: Any = ZERO, axis: int | None = None) -> Tensor:
    """scale * (input - zero_point)"""
    shifted: Tensor = input.float() - _along(zero_point, input, axis)
    return shifted.mul_(_along(scale, input, axis))


def _along(parameter: Any, x: Tensor, axis: int | None) -> Any:
    """A number, or a vector laid along `axis` of `x`."""
    if axis is None:
        return parameter
    values = torch.as_tensor(parameter, dtype=torch.float32)
    if values.ndim == 0:
        return values
    shape = [1] * x.ndim
    shape[axis] = -1
    return values.reshape(shape)


# iOS15/tensor_operation.py, iOS15/tensor_transformation.py, iOS17/tensor_transformation.py, iOS15/elementwise_unary.py


def cast(*, x: Tensor, dtype: str) -> Tensor:
    return x.to(CAST[dtype], copy=True)


def concat(*, values: Sequence[Tensor], axis: int, interleave: bool = False) -> Tensor:
    if interleave:
        raise NotImplementedError("concat with interleave")
    return torch.cat(list(values), axis)


def expand_dims(*, x: Tensor, axes: list[int]) -> Tensor:
    """`axes` are positions in the result."""
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def pad(*, x: Tensor, pad: list[int], mode: str, constant_val: float) -> Tensor:
    """`pad` holds (before, after) of the last dimensions, in their order; PyTorch wants the last one first."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    backwards = [amount for pair in reversed(pairs) for amount in pair]
    return F.pad(x, backwards, mode, constant_val if mode == "constant" else None)


def reshape(*, x: Tensor, shape: list[int]) -> Tensor:
    """0 keeps a dimension, -1 takes what is left."""
    return x.reshape([x.shape[dim] if size == 0 else size for dim, size in enumerate(shape)] if 0 in shape else shape)


def slice_by_index(
    *,
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    """x[begin:end:stride] per dimension; a mask opens that end, or takes the one element at `begin`."""
    index: list[int | slice] = []
    for dim in range(x.ndim):
        first = 0 if begin_mask and begin_mask[dim] else begin[dim]
        last = None if end_mask and end_mask[dim] else end[dim]
        one = squeeze_mask and squeeze_mask[dim]
        index.append(first if one else slice(first, last, stride[dim] if stride else 1))
    return x[tuple(index)]


def slice_by_size(*, x: Tensor, begin: list[int], size: list[int]) -> Tensor:
    """-1 takes what is left of a dimension."""
    ends = [None if count == -1 else first + count for first, count in zip(begin, size, strict=True)]
    return x[tuple(slice(first, last) for first, last in zip(begin, ends, strict=True))]


def split(*, x: Tensor, axis: int, num_splits: int | None = None, split_sizes: list[int] | None = None) -> Any:
    return torch.split(x, split_sizes or x.shape[axis] // (num_splits or 1), axis)


def squeeze(*, x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(axes)


def transpose(*, x: Tensor, perm: list[int]) -> Tensor:
    return x.permute(perm)


# iOS15/classify.py


def classify(*, probabilities: Tensor, classes: Sequence[str]) -> tuple[str, dict[str, float]]:
    """The most probable class, and every class's probability."""
    values = probabilities.flatten().tolist()
    named = dict(zip(classes, values, strict=True))
    return max(named, key=lambda name: named[name]), named


Kernel = Callable[..., Any]

ARITHMETIC: dict[str, Kernel] = {
    "add": _binary(torch.add),
    "cast": cast,
    "clip": clip,
    "conv": conv,
    "dequantize": dequantize,
    "exp": _unary(torch.exp),
    "gelu": gelu,
    "layer_norm": layer_norm,
    "linear": linear,
    "log": log,
    "matmul": matmul,
    "maximum": _binary(torch.maximum),
    "minimum": _binary(torch.minimum),
    "mul": _binary(torch.mul),
    "pow": _binary(torch.pow),
    "quantize": quantize,
    "real_div": _binary(torch.true_divide),
    "reduce_max": _reduction(torch.amax),
    "reduce_mean": _reduction(torch.mean),
    "reduce_sum": _reduction(torch.sum),
    "relu": _unary(torch.relu),
    "relu6": _unary(F.relu6),
    "rsqrt": rsqrt,
    "sigmoid": _unary(torch.sigmoid),
    "sigmoid_hard": sigmoid_hard,
    "silu": _unary(F.silu),
    "softmax": softmax,
    "sqrt": _unary(torch.sqrt),
    "square": _unary(torch.square),
    "sub": _binary(torch.sub),
    "tanh": _unary(torch.tanh),
}
"""Operators whose result, which is a tensor of its own, is rounded."""

SELECTION = {"clip", "maximum", "minimum", "reduce_max", "relu", "relu6"}
"""Those among them whose results are values of their operands or constants: of the program's precision without being rounded."""

MOVEMENT: dict[str, Kernel] = {
    "classify": classify,
    "concat": concat,
    "expand_dims": expand_dims,
    "identity": _unary(lambda x: x),
    "pad": pad,
    "reshape": reshape,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "split": split,
    "squeeze": squeeze,
    "transpose": transpose,
}
"""Operators that only move or name values: exact in every type."""

OPERATORS = {**ARITHMETIC, **MOVEMENT}
