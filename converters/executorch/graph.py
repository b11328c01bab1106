"""The delegate's graph before it is bytes: tensors, operations, constants.

Names of operations, types and fields are those of the schema that executorch ships with its XNNPACK delegate
(`backends/xnnpack/serialization/schema.fbs`), without their prefixes XNN and xnn_datatype_.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from converters.lowering.emitter import Clamp
from converters.lowering.layout import Shape
from converters.lowering.values import Array, Quantization

MAX_RANK = 6
"""XNN_MAX_TENSOR_DIMS."""

WEIGHT_FIELD = "filter_id"
PACKED_FIELDS = (WEIGHT_FIELD, "bias_id")
"""The operands whose constants XNNPACK copies into a form of its own when it loads a graph: those of convolutions and fully connected
layers (`getPackedValueIds` in backends/xnnpack/runtime/XNNCompiler.cpp of pytorch/executorch@v1.4.1). All others it reads at every run
from where they were, which ExecuTorch may have freed by then."""


class DataType(StrEnum):
    """The schema's `XNNDatatype`, as far as used here: q is quantized, qc quantized per channel."""

    FP32 = "fp32"
    FP16 = "fp16"
    QINT8 = "qint8"
    QUINT8 = "quint8"
    QCINT8 = "qcint8"
    QCINT32 = "qcint32"


NUMPY_TYPES: dict[str, type[np.generic]] = {
    "fp32": np.float32,
    "fp16": np.float16,
    "qint8": np.int8,
    "quint8": np.uint8,
    "qcint8": np.int8,
    "qint32": np.int32,
    "qcint32": np.int32,
}
"""How each type is stored. Those that `DataType` lacks occur in files of other writers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor of the delegate, shaped as it is stored. `data` makes it a constant; `packing` says what else but its bytes XNNPACK packs
    it by."""

    shape: Shape
    dtype: DataType
    quantization: Quantization | None = None
    data: Array | None = None
    packing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. `inputs` goes from the schema's field to the tensor, None for an absent optional one; `module` is the path of
    the model's module that it comes from."""

    kind: str
    inputs: dict[str, Tensor | None]
    output: Tensor
    fields: dict[str, Any]
    clamp: Clamp | None = None
    module: str = ""

    @property
    def packing(self) -> str:
        """All that the packed form of a weight may depend on besides its bytes. Keys of constants are digests of this text: with another
        one, the same request gives other bytes.
        """
        numbers = ", ".join(map(told, (*self.inputs.values(), self.output)))
        weight = self.inputs[WEIGHT_FIELD]
        shape = None if weight is None else weight.shape
        return f"({self.kind!r}, {sorted(self.fields.items())!r}, [{numbers}], {shape!r})"


def told(tensor: Tensor | None) -> str:
    """Type and codes of a tensor as text; how many bits codes have, the type says."""
    if tensor is None:
        return "None"
    codes = tensor.quantization
    if codes is None:
        return f"({tensor.dtype!r}, None)"
    text = f"scales={codes.scales!r}, zero_point={codes.zero_point!r}, axis={codes.axis!r}"
    return f"({tensor.dtype!r}, Quantization({text}))"


@dataclass(slots=True)
class Graph:
    """Operations in execution order. Tensors are numbered in the order in which they first appear.

    `constants` are those that the delegate does not keep: the program does, and hands them in at every run, after the inputs.
    """

    inputs: list[Tensor] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def tensors(self) -> list[Tensor]:
        """Every tensor in use, each once."""
        seen: dict[int, Tensor] = {id(tensor): tensor for tensor in self.inputs}
        for operation in self.operations:
            for tensor in (*operation.inputs.values(), operation.output):
                if tensor is not None:
                    seen.setdefault(id(tensor), tensor)
        return list(seen.values())

    def prune(self) -> None:
        """Drops the operations that no output depends on."""
        needed = {id(tensor) for tensor in self.outputs}
        kept = []
        for operation in reversed(self.operations):
            if id(operation.output) in needed:
                needed.update(id(tensor) for tensor in operation.inputs.values())
                kept.append(operation)
        self.operations = kept[::-1]

    def hand_in(self) -> None:
        """Makes `constants` of all that XNNPACK does not pack. One that is read in both ways becomes two."""
        handed: dict[int, Tensor] = {}
        for operation in self.operations:
            for name, tensor in operation.inputs.items():
                if tensor is not None and tensor.data is not None and name not in PACKED_FIELDS:
                    operation.inputs[name] = handed.setdefault(id(tensor), replace(tensor))
        self.constants = list(handed.values())

    def tell_apart(self) -> None:
        """Makes one tensor of each way in which XNNPACK packs a weight.

        Its weight cache, which all files of a process share, knows packed weights by the keys of weight and bias alone. Equal bytes
        under one key would be packed once, be it for float32 or float16, for one zero point or another.
        """
        told: dict[tuple[int, str], Tensor] = {}
        for operation in self.operations:
            tensor = operation.inputs.get(WEIGHT_FIELD)
            if tensor is not None:
                packing = operation.packing
                operation.inputs[WEIGHT_FIELD] = told.setdefault(
                    (id(tensor), packing), replace(tensor, packing=packing)
                )
