"""How operations are written into TFLite's graph, and what is fused into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.fx import Node

from converters.lowering.emitter import BaseEmitter, Fused
from converters.lowering.layout import Order, Shape
from converters.lowering.program import (
    QUANTIZE,
    arguments,
    only_user,
    operator_name,
    tensor_name,
    tensor_quantization,
    unsupported,
)
from converters.lowering.values import Array, Quantization, Value
from converters.tflite.graph import DATA_TYPES, Activation, DataType, Graph, Operation, Tensor

RELU_UPPER = {
    None: Activation.RELU,
    float("inf"): Activation.RELU,
    6.0: Activation.RELU6,
}
LOGISTIC_QUANTIZATION = Quantization(scales=(1 / 256,), zero_point=-128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue(Fused):
    """An activation, then a quantize."""

    activation: Activation = Activation.NONE


class Emitter(BaseEmitter[Tensor]):
    """Writes TFLite's operations. With `half_weights` float parameters are stored as float16."""

    def __init__(self, *, half_weights: bool = False, integer_only: bool = False) -> None:
        """`integer_only` also writes the int8 operations that LiteRT's own kernels and NPUs have and XNNPACK does not."""
        super().__init__()
        self.graph = Graph()
        self.integer_only = integer_only
        self._half_weights = half_weights
        self._names: dict[str, int] = {}

    # What a node becomes part of

    def epilogue(self, node: Node, *, int8: bool, clamp: bool = True) -> Epilogue:
        """What can be fused into `node`: with `clamp` a RELU or RELU6, with `int8` the quantize that follows."""
        last, activation = node, Activation.NONE
        follower = only_user(node)
        if clamp and follower is not None and (kind := clamp_kind(follower)) is not None:
            last, activation = follower, kind
        end = only_user(last)
        if int8 and end is not None and operator_name(end) == QUANTIZE:
            return Epilogue(last=end, activation=activation, quantization=tensor_quantization(end))
        return Epilogue(last=last, activation=activation)

    # Writing operations

    def emit(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        shape: Shape,
        *,
        name: str,
        quantization: Quantization | None = None,
        **options: Any,
    ) -> Tensor:
        """Writes one operation and returns its output: int8 with `quantization`, else float32."""
        dtype = DataType.FLOAT32 if quantization is None else DataType.INT8
        output = Tensor(name=self._unique(name), shape=shape, dtype=dtype, quantization=quantization)
        self.graph.operations.append(Operation(code=code, inputs=tuple(inputs), output=output, options=options))
        return output

    def _unique(self, name: str) -> str:
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return name if count == 0 else f"{name}.{count}"

    def constant(self, array: Array, *, name: str, quantization: Quantization | None = None) -> Tensor:
        """A constant tensor; equal constants are one tensor. NumPy's dtype decides the file's."""
        array = np.ascontiguousarray(array)
        dtype = DATA_TYPES[array.dtype]

        def make() -> Tensor:
            return Tensor(
                name=self._unique(name), shape=array.shape, dtype=dtype, quantization=quantization, data=array
            )

        return self.once(("constant", array.tobytes(), array.shape, dtype, quantization), make)

    def write_constant(self, array: Array, node: Node) -> Tensor:
        """A float32 constant that stands for `node`."""
        return self.constant(array, name=tensor_name(node))

    def weight(self, array: Array, *, node: Node, role: str) -> Tensor:
        """A float32 parameter. In an fp16 file it is stored as float16 behind a DEQUANTIZE, which XNNPACK folds.

        Raises ToolchainError for a value that float16 cannot hold.
        """
        name = f"{tensor_name(node)}/{role}"
        if not self._half_weights:
            return self.constant(array, name=name)
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise unsupported(node, f"with a {role} above 65504", "convert this model with --fp32 or --int8")
        stored = self.constant(half, name=f"{name}/half")
        return self.once(("half", id(stored)), lambda: self.emit("DEQUANTIZE", [stored], stored.shape, name=name))

    def coded_weight(self, codes: Array, quantization: Quantization, *, node: Node, role: str) -> Tensor:
        """A weight of a float operation, stored as int8 behind a DEQUANTIZE, which XNNPACK folds."""
        name = f"{tensor_name(node)}/{role}"
        stored = self.constant(codes, name=f"{name}/int8", quantization=quantization)
        return self.once(("coded", id(stored)), lambda: self.emit("DEQUANTIZE", [stored], stored.shape, name=name))

    def indices(self, values: Any) -> Tensor:
        """An int32 constant for axes, shapes, paddings and permutations."""
        array = np.array(values, dtype=np.int32)
        return self.constant(array, name="indices/" + "_".join(str(value) for value in array.flatten()))

    # Putting a value into the form that an operation needs

    def dequantize(self, tensor: Tensor) -> Tensor:
        """Writes a DEQUANTIZE of one's own, which XNNPACK can fold into a table lookup with what follows."""
        return self.emit("DEQUANTIZE", [tensor], tensor.shape, name=f"{tensor.name}/dequantize")

    def quantized(self, value: Value[Tensor], quantization: Quantization, *, name: str) -> Value[Tensor]:
        """`value` as int8 with these parameters: nothing, a QUANTIZE or a requantization."""
        if value.quantization == quantization:
            return value
        tensor = self.once(
            ("int8", id(value.tensor), quantization),
            lambda: self.emit("QUANTIZE", [value.tensor], value.tensor.shape, name=name, quantization=quantization),
        )
        return replace(value, tensor=tensor)

    def write_reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Writes a RESHAPE."""
        return self.emit(
            "RESHAPE",
            [tensor, self.indices(shape)],
            shape,
            name=f"{tensor.name}/reshape",
            quantization=tensor.quantization,
            newShape=list(shape),
        )

    def write_transpose(self, tensor: Tensor, permutation: Order) -> Tensor:
        """Writes a TRANSPOSE."""
        return self.emit(
            "TRANSPOSE",
            [tensor, self.indices(permutation)],
            tuple(tensor.shape[place] for place in permutation),
            name=f"{tensor.name}/transpose",
            quantization=tensor.quantization,
        )


def clamp_kind(node: Node) -> Activation | None:
    """RELU or RELU6 if that is what the node is, under any of its names."""
    match operator_name(node):
        case "aten.relu.default" | "aten.relu_.default":
            return Activation.RELU
        case "aten.relu6.default" | "aten.relu6_.default":
            return Activation.RELU6
        case "aten.hardtanh.default" | "aten.hardtanh_.default":
            lower, upper = arguments(node)["min_val"], arguments(node)["max_val"]
        case "aten.clamp.default" | "aten.clamp_min.default" | "aten.clamp_.default":
            lower, upper = arguments(node)["min"], arguments(node).get("max")
        case _:
            return None
    return RELU_UPPER.get(upper) if lower == 0 else None
