"""Convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from converters.coreml.values import Var
from converters.lowering.products import pair

if TYPE_CHECKING:
    from converters.coreml.emitter import Emitter


def conv2d(
    e: Emitter,
    x: Var,
    weight: Var,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Var:
    rows, columns = pair(padding)
    return e.op(
        "conv",
        x=x,
        weight=e.weight(weight),
        bias=bias,
        strides=list(pair(stride)),
        pad_type="custom",
        pad=[rows, rows, columns, columns],
        dilations=list(pair(dilation)),
        groups=groups,
    )


def linear(e: Emitter, x: Var, weight: Var, bias: Tensor | None = None) -> Var:
    return e.op("linear", x=x, weight=e.weight(weight), bias=bias)


def matmul(e: Emitter, x: Var, y: Var) -> Var:
    return e.op("matmul", x=x, y=y)
