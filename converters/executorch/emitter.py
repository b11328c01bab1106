"""How operations are written into the delegate's graph, and what is fused into them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.fx import Node

from converters.errors import ToolchainError
from converters.executorch.graph import MAX_RANK, NUMPY_TYPES, Clamp, DataType, Graph, Operation, Tensor
from converters.lowering.emitter import BaseEmitter, Fused
from converters.lowering.layout import Order, Shape
from converters.lowering.program import QUANTIZE, arguments, only_user, operator_name, tensor_quantization, unsupported
from converters.lowering.values import Array, Quantization, Value

INFINITY = float("inf")
FP16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue(Fused):
    """A clamp, then a quantize."""

    clamp: Clamp | None = None


class Emitter(BaseEmitter[Tensor]):
    """Writes the operations of XNNPACK's graph. `real` is the type of everything that is not quantized."""

    def __init__(self, real: DataType) -> None:
        super().__init__()
        self.graph = Graph()
        self.real = real
        self._real_sources: dict[int, Tensor] = {}

    # What a node becomes part of

    def epilogue(self, node: Node, *, int8: bool, clamp: bool = True) -> Epilogue:
        """What can be fused into `node`: with `clamp` a clamp, with `int8` the quantize that follows."""
        last, limits = node, None
        follower = only_user(node)
        if clamp and follower is not None and (limits := clamp_limits(follower)) is not None:
            last = follower
        end = only_user(last)
        if int8 and end is not None and operator_name(end) == QUANTIZE:
            return Epilogue(last=end, clamp=limits, quantization=tensor_quantization(end))
        return Epilogue(last=last, clamp=limits)

    # Writing operations

    def emit(
        self,
        kind: str,
        inputs: dict[str, Tensor | None],
        shape: Shape,
        *,
        quantization: Quantization | None = None,
        clamp: Clamp | None = None,
        **fields: Any,
    ) -> Tensor:
        """Writes one operation and returns its output: int8 with `quantization`, else float."""
        dtype = self.real if quantization is None else DataType.QINT8
        output = Tensor(shape=shape, dtype=dtype, quantization=quantization)
        self.write(kind, inputs, output, clamp=clamp, **fields)
        return output

    def write(
        self, kind: str, inputs: dict[str, Tensor | None], output: Tensor, *, clamp: Clamp | None = None, **fields: Any
    ) -> None:
        """Writes one operation with a given output. Raises ToolchainError for more dimensions than XNNPACK has."""
        if len(output.shape) > MAX_RANK:
            raise ToolchainError(
                got=f"a {kind} to the shape {output.shape}",
                allowed=f"at most {MAX_RANK} dimensions",
                do="write the model with fewer",
            )
        operation = Operation(
            kind=kind, inputs=inputs, output=output, fields={"flags": 0, **fields}, clamp=clamp, module=self.module
        )
        self.graph.operations.append(operation)

    def constant(self, array: Array, dtype: DataType, quantization: Quantization | None = None) -> Tensor:
        """A constant tensor; equal constants are one tensor."""
        array = np.ascontiguousarray(array)
        key = ("constant", array.tobytes(), array.shape, dtype, quantization)
        return self.once(key, lambda: Tensor(shape=array.shape, dtype=dtype, quantization=quantization, data=array))

    def write_constant(self, array: Array, node: Node) -> Tensor:
        """A constant in the float type that stands for `node`. Raises ToolchainError if it cannot hold the value."""
        return self.parameter(array, node)

    def parameter(self, array: Array, node: Node, *, wide: bool = False) -> Tensor:
        """A constant in the float type, or with `wide` one that is stored as float32 in any case.

        Raises ToolchainError for a value that float16 cannot hold when it has to.
        """
        if self.real is DataType.FP16 and array.size and not float(np.abs(array).max()) <= FP16_MAX:
            raise unsupported(node, f"with a constant above {FP16_MAX:.0f}", "convert this model with --fp32 or --int8")
        dtype = DataType.FP32 if wide else self.real
        return self.constant(array.astype(NUMPY_TYPES[dtype]), dtype)

    # Putting a value into the form that an operation needs

    def dequantize(self, tensor: Tensor) -> Tensor:
        """Writes the conversion of an int8 tensor to the float type."""
        return self.emit("Convert", {"input_id": tensor}, tensor.shape)

    def quantized(self, value: Value[Tensor], quantization: Quantization) -> Value[Tensor]:
        """`value` as int8 with these parameters: as it is, or converted from float or from other parameters."""
        if value.quantization == quantization:
            return value
        return replace(value, tensor=self._converted(value.tensor, quantization))

    def _converted(self, source: Tensor, quantization: Quantization) -> Tensor:
        tensor = self.once(
            ("int8", id(source), quantization),
            lambda: self.emit("Convert", {"input_id": source}, source.shape, quantization=quantization),
        )
        if source.quantization is None:
            self._real_sources[id(tensor)] = source
        return tensor

    def write_reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Writes a StaticReshape."""
        return self.emit(
            "StaticReshape",
            {"input_id": tensor},
            shape,
            quantization=tensor.quantization,
            num_dims=len(shape),
            new_shape=list(shape),
        )

    def transposed(self, tensor: Tensor, permutation: Order) -> Tensor:
        """What was just converted to int8 is transposed before: XNNPACK moves single bytes slowly where few lie together."""
        source = self._real_sources.get(id(tensor))
        if source is not None and tensor.quantization is not None:
            return self._converted(self.transposed(source, permutation), tensor.quantization)
        return super().transposed(tensor, permutation)

    def write_transpose(self, tensor: Tensor, permutation: Order) -> Tensor:
        """Writes a StaticTranspose."""
        return self.emit(
            "StaticTranspose",
            {"input_id": tensor},
            tuple(tensor.shape[place] for place in permutation),
            quantization=tensor.quantization,
            num_dims=len(permutation),
            perm=list(permutation),
        )


def clamp_limits(node: Node) -> Clamp | None:
    """The limits if the node is a clamp under any of its names."""
    match operator_name(node):
        case "aten.relu.default" | "aten.relu_.default":
            return 0.0, INFINITY
        case "aten.relu6.default" | "aten.relu6_.default":
            return 0.0, 6.0
        case "aten.hardtanh.default" | "aten.hardtanh_.default":
            limits = arguments(node)["min_val"], arguments(node)["max_val"]
        case "aten.clamp.default" | "aten.clamp_.default":
            limits = arguments(node)["min"], arguments(node)["max"]
        case "aten.clamp_min.default":
            limits = arguments(node)["min"], None
        case _:
            return None
    lower, upper = limits
    return -INFINITY if lower is None else float(lower), INFINITY if upper is None else float(upper)
