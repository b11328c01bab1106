"""The data movement that passes write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from converters.lowering.emit.movement import MAX_CONCATENATED
from converters.lowering.layout import Shape
from converters.tflite.graph import DataType, Operation, Tensor


def reshape(tensor: Tensor, shape: Shape, *, name: str, output: Tensor | None = None) -> Operation:
    """`tensor` in another shape, as a tensor called `name`, or as `output` where that is there already."""
    result = replace(tensor, name=name, shape=shape, data=None) if output is None else output
    return Operation(
        code="RESHAPE",
        inputs=(tensor, numbers(shape, name=f"{name}/shape")),
        output=result,
        options={"newShape": list(shape)},
    )


def slice_innermost(tensor: Tensor, begin: int, size: int, *, name: str) -> Operation:
    """`size` values of the innermost dimension from `begin` on."""
    shape = (*tensor.shape[:-1], size)
    begins = (*(0,) * (len(shape) - 1), begin)
    return Operation(
        code="SLICE",
        inputs=(tensor, numbers(begins, name=f"{name}/begin"), numbers(shape, name=f"{name}/size")),
        output=replace(tensor, name=name, shape=shape, data=None),
        options={},
    )


def concatenate_innermost(tensors: Sequence[Tensor], output: Tensor) -> list[Operation]:
    """`output` from what lies beside each other in its innermost dimension, a handful at a time."""
    operations: list[Operation] = []
    while len(tensors) > MAX_CONCATENATED:
        shares = np.array_split(np.arange(len(tensors)), -(-len(tensors) // MAX_CONCATENATED))
        joined = []
        for share in shares:
            parts = [tensors[index] for index in share]
            shape = (*output.shape[:-1], sum(part.shape[-1] for part in parts))
            joined.append(replace(output, name=f"{output.name}/joined{len(operations)}", shape=shape))
            operations.append(concatenation(parts, joined[-1]))
        tensors = joined
    return [*operations, concatenation(tensors, output)]


def concatenation(tensors: Sequence[Tensor], output: Tensor) -> Operation:
    return Operation(
        code="CONCATENATION", inputs=tuple(tensors), output=output, options={"axis": len(output.shape) - 1}
    )


def numbers(values: Sequence[int], *, name: str) -> Tensor:
    """An int32 constant."""
    data = np.array(values, np.int32)
    return Tensor(name=name, shape=data.shape, dtype=DataType.INT32, data=data)
