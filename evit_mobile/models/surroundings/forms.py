"""Operations that not every format has, in operations that all have. Shapes are those of one image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ATEN = torch.ops.aten
SLICES = 32
"""The most slices that a choice or a reversal may become; each is an operation of the file."""
TINY = 2.0**-24
"""The smallest number of fp16: keeps a logarithm finite. A class of less probability counts for nothing in a sum of all."""


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return x * torch.sigmoid(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where positive, else the slope times x."""
    return torch.relu(x) - torch.relu(-x) * negative_slope


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """As `leaky_relu`, with a slope for each channel, already in the shape of what it multiplies."""
    return torch.relu(x) - torch.relu(-x) * weight


def elu(x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """ELU, SELU and CELU."""
    negative = torch.exp(-torch.relu(-x) * input_scale) - 1
    return (torch.relu(x) + negative * alpha) * scale


def hard_sigmoid(x: Tensor) -> Tensor:
    """relu6(x + 3) / 6."""
    return F.relu6(x + 3) / 6


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:  # noqa: ARG001  # the operation's signature
    """log(1 + exp(beta x)) / beta; beyond the threshold they are the same to fp32."""
    scaled = x * beta
    return (torch.relu(scaled) + torch.log(torch.exp(-absolute(scaled)) + 1)) / beta


def mish(x: Tensor) -> Tensor:
    """x tanh(softplus(x))."""
    return x * torch.tanh(softplus(x))


def log_sigmoid(x: Tensor) -> tuple[Tensor, Tensor]:
    """-softplus(-x), and what only training reads."""
    return -softplus(-x), x


def log_softmax(x: Tensor, dim: int, _options: object = None) -> Tensor:
    """x - log sum exp(x), where with p = softmax(x) the logarithm is sum p (x - log p): nothing in it overflows, and what
    underflows in p counts for nothing.
    """
    p = torch.softmax(x, dim)
    return x - (p * (x - torch.log(torch.clamp_min(p, TINY)))).sum(dim, keepdim=True)


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, _momentum: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Over dimension 1, with the running statistics; the two that training returns are empty."""
    scale = torch.rsqrt(var + eps) if weight is None else weight * torch.rsqrt(var + eps)
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = (1, -1, *[1] * (x.ndim - 2))
    return x * scale.reshape(shape) + shift.reshape(shape), x.new_empty(0), x.new_empty(0)


def power(x: Tensor, exponent: float) -> Any:
    """The square; others are left as they are."""
    return x * x if exponent == 2 else NotImplemented


def absolute(x: Tensor) -> Tensor:
    """The positive part and the negative."""
    return torch.relu(x) + torch.relu(-x)


def vector_norm(
    x: Tensor, ord: float = 2.0, dim: Sequence[int] | None = None, keepdim: bool = False, *, dtype: object = None
) -> Any:
    """The Euclidean norm; others are left as they are."""
    if ord != 2 or dim is None or dtype is not None:
        return NotImplemented
    return torch.sqrt((x * x).sum(list(dim), keepdim=keepdim))


def adaptive_average(x: Tensor, size: Sequence[int]) -> Any:
    """The mean over the whole grid; to any other grid it is left as it is."""
    return x.mean((2, 3), keepdim=True) if list(size) == [1, 1] else NotImplemented


def average_pool(x: Tensor, kernel: Sequence[int], *options: Any, **more: Any) -> Any:
    """The mean over the whole grid; of any other window it is left as it is."""
    whole = [*kernel, *kernel][:2] == list(x.shape[2:]) and not any(options[1:2] and options[1])
    return x.mean((2, 3), keepdim=True) if whole and not more else NotImplemented


def expand(x: Tensor, shape: Sequence[int], *, implicit: bool = False) -> Tensor:  # noqa: ARG001  # the operation's signature
    """A product with ones, which broadcasts and is exact."""
    padded = x.reshape((1,) * (len(shape) - x.ndim) + tuple(x.shape))
    ones = [wanted if wanted != -1 and wanted != own else 1 for wanted, own in zip(shape, padded.shape, strict=True)]
    return padded if math.prod(ones) == 1 else padded * torch.ones(ones)


def repeat(x: Tensor, counts: Sequence[int]) -> Tensor:
    """Copies side by side."""
    x = x.reshape((1,) * (len(counts) - x.ndim) + tuple(x.shape))
    for dim, count in enumerate(counts):
        x = torch.cat([x] * count, dim) if count > 1 else x
    return x


def flip(x: Tensor, dims: Sequence[int]) -> Any:
    """Slices in the reverse order; more than SLICES are left as they are."""
    if max(x.shape[dim] for dim in dims) > SLICES:
        return NotImplemented
    for dim in dims:
        x = torch.cat([x.narrow(dim, place, 1) for place in reversed(range(x.shape[dim]))], dim)
    return x


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Along a new dimension."""
    return torch.cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


def squeeze(x: Tensor) -> Tensor:
    """Without the dimensions of size 1."""
    return x.reshape([size for size in x.shape if size != 1])


def log1p(x: Tensor) -> Tensor:
    """log(1 + x)."""
    return torch.log(x + 1)


def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1."""
    return torch.exp(x) - 1


FORMS: dict[Any, Callable[..., Any]] = {
    ATEN._log_softmax.default: log_softmax,
    ATEN._native_batch_norm_legit_no_training.default: batch_norm,
    ATEN._prelu_kernel.default: prelu,
    ATEN.abs.default: absolute,
    ATEN.adaptive_avg_pool2d.default: adaptive_average,
    ATEN._adaptive_avg_pool2d.default: adaptive_average,
    ATEN.avg_pool2d.default: average_pool,
    ATEN.elu.default: elu,
    ATEN.expand.default: expand,
    ATEN.expm1.default: expm1,
    ATEN.flip.default: flip,
    ATEN.hardsigmoid.default: hard_sigmoid,
    ATEN.leaky_relu.default: leaky_relu,
    ATEN.linalg_vector_norm.default: vector_norm,
    ATEN.log1p.default: log1p,
    ATEN.log_sigmoid_forward.default: log_sigmoid,
    ATEN.log_softmax.int: log_softmax,
    ATEN.mish.default: mish,
    ATEN.pow.Tensor_Scalar: power,
    ATEN.repeat.default: repeat,
    ATEN.silu.default: silu,
    ATEN.softplus.default: softplus,
    ATEN.squeeze.default: squeeze,
    ATEN.stack.default: stack,
}
"""By the operation they stand for. NotImplemented leaves it as it is, to be refused by its name."""
