"""The operators that sum, with every partial sum rounded to fp16: what hardware gives that has no wider accumulator.

No specification says in what order or how wide a device sums. The usual operators sum in float32; these are the other extreme, one term
after the other, each product and each sum rounded to fp16, infinite from 65520 on. A device lies between the two. Core AI's runtime on
Linux does: linear layers and products of matrices add up in fp16 there, convolutions and sums do not (docs/coreai.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

import torch.nn.functional as F
from torch import Tensor

from converters.coreml.evaluator.operators import OPERATORS, Kernel, reduced_axes


class HalfSums(StrEnum):
    """Which operations add up in fp16."""

    NONE = "none"
    PRODUCTS = "products"
    ALL = "all"


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
    """2-D convolution, input channel after input channel, each kernel row by row."""
    outputs, inputs, rows, columns = weight.shape
    top, bottom, left, right = pad if pad_type == "custom" else (0, 0, 0, 0)
    spread = F.pad(x, (left, right, top, bottom))
    padded = spread.reshape(len(x), groups, inputs, *spread.shape[2:])
    height, width = (
        (padded.shape[axis] - dilation * (kernel - 1) - 1) // stride + 1
        for axis, dilation, kernel, stride in zip((3, 4), dilations, (rows, columns), strides, strict=True)
    )

    def met(channel: int, row: int, column: int) -> Tensor:
        """What one weight of every output channel multiplies: (N, G, 1, height, width)."""
        first, second = row * dilations[0], column * dilations[1]
        down = slice(first, first + strides[0] * (height - 1) + 1, strides[0])
        across = slice(second, second + strides[1] * (width - 1) + 1, strides[1])
        return padded[:, :, channel : channel + 1, down, across]

    grouped = weight.view(groups, outputs // groups, inputs, rows, columns, 1, 1)
    terms = (
        met(channel, row, column) * grouped[:, :, channel, row, column]
        for channel in range(inputs)
        for row in range(rows)
        for column in range(columns)
    )
    total = summed(terms).flatten(1, 2)
    return total if bias is None else total + bias.view(-1, 1, 1)


def linear(*, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    total = matmul(x=x, y=weight, transpose_y=True)
    return total if bias is None else total + bias


def matmul(*, x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    left, right = x.mT if transpose_x else x, y.mT if transpose_y else y
    return summed(left[..., :, at, None] * right[..., None, at, :] for at in range(left.shape[-1]))


def reduce_sum(*, x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    dims = reduced_axes(x, axes)
    kept = [dim for dim in range(x.ndim) if dim not in dims]
    total = summed(x.permute(*dims, *kept).flatten(0, len(dims) - 1).unbind(0))
    return total.view([1 if dim in dims else size for dim, size in enumerate(x.shape)]) if keep_dims else total


def reduce_mean(*, x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    count = math.prod(x.shape[dim] for dim in reduced_axes(x, axes))
    return reduce_sum(x=x, axes=axes, keep_dims=keep_dims) / count


def summed(terms: Iterable[Tensor]) -> Tensor:
    """The terms added in their order, rounded to fp16 before and after."""
    total: Tensor | None = None
    for term in terms:
        rounded = term.half().float()
        total = rounded if total is None else (total + rounded).half().float()
    assert total is not None
    return total


PRODUCTS: dict[str, Kernel] = {"linear": linear, "matmul": matmul}

KERNELS: dict[HalfSums, dict[str, Kernel]] = {
    HalfSums.NONE: OPERATORS,
    HalfSums.PRODUCTS: OPERATORS | PRODUCTS,
    HalfSums.ALL: OPERATORS | PRODUCTS | {"conv": conv, "reduce_mean": reduce_mean, "reduce_sum": reduce_sum},
}
