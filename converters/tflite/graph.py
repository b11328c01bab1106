"""The file's graph before it is bytes: tensors, operations, constants.

Names of operations and options are those of TFLite's schema (tensorflow/lite/schema/schema.fbs).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from converters.lowering.layout import Shape
from converters.lowering.values import Array, Quantization


class DataType(IntEnum):
    """`TensorType` of the schema, as far as used here."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT8 = 9


class Activation(IntEnum):
    """`ActivationFunctionType` of the schema: what an operation applies to its result."""

    NONE = 0
    RELU = 1
    RELU6 = 3


class Padding(IntEnum):
    """`Padding` of the schema."""

    SAME = 0
    VALID = 1


NUMPY_TYPES = {
    DataType.FLOAT32: np.float32,
    DataType.FLOAT16: np.float16,
    DataType.INT32: np.int32,
    DataType.UINT8: np.uint8,
    DataType.INT8: np.int8,
}
DATA_TYPES = {np.dtype(numpy_type): data_type for data_type, numpy_type in NUMPY_TYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor of the file. `data` makes it a constant."""

    name: str
    shape: Shape
    dtype: DataType
    quantization: Quantization | None = None
    data: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation; an absent optional input is None. Options left out keep the schema's defaults. `declared` is the version that the
    file says it is, None for the lowest that has the form (versions.py).
    """

    code: str
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    options: dict[str, Any]
    declared: int | None = None


@dataclass(slots=True)
class Graph:
    """Operations in execution order. Tensors are numbered in the order in which they first appear."""

    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def tensors(self) -> list[Tensor]:
        """Every tensor in use, each once."""
        seen: dict[int, Tensor] = {id(tensor): tensor for tensor in self.inputs}
        for operation in self.operations:
            for tensor in (*operation.inputs, operation.output):
                if tensor is not None:
                    seen.setdefault(id(tensor), tensor)
        return list(seen.values())
