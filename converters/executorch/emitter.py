"""How operations are written into the delegate's graph, and what is fused into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.fx import Node

from converters.errors import ToolchainError
from converters.executorch.graph import MAX_RANK, NUMPY_TYPES, DataType, Graph, Operation, Tensor
from converters.lowering.arithmetic import Arithmetic
from converters.lowering.emitter import BaseEmitter, Clamp, Epilogue
from converters.lowering.layout import Order, Shape
from converters.lowering.program import unsupported
from converters.lowering.values import Array, Constant, Quantization, Value

FP16_MAX = float(np.finfo(np.float16).max)
MAX_REQUANTIZATION = 256.0
"""XNNPACK refuses an int8 operation whose input scale * weight scale / output scale reaches this."""

TRANSPOSE_Y = 1
"""XNN_FLAG_TRANSPOSE_B: y is stored (columns, k)."""

MAX_CONCATENATED = 5
"""How many inputs the schema's concatenations have fields for."""

NAMES = {
    Arithmetic.ADD: "Add",
    Arithmetic.SUB: "Subtract",
    Arithmetic.MUL: "Multiply",
    Arithmetic.DIV: "Div",
    Arithmetic.MAXIMUM: "Maximum",
    Arithmetic.MINIMUM: "Minimum",
}
INTEGER_TYPES = {np.dtype(np.int8): DataType.QCINT8, np.dtype(np.int32): DataType.QCINT32}


class Emitter(BaseEmitter[Tensor]):
    """Writes the operations of XNNPACK's graph. `real` is the type of everything that is not quantized."""

    def __init__(self, real: DataType) -> None:
        super().__init__()
        self.graph = Graph()
        self.real = real
        self._real_sources: dict[int, Tensor] = {}

    def fuses(self, clamp: Clamp) -> bool:
        """Every one."""
        return True

    def has_int8_layer(
        self, weight: Quantization | None, source: Quantization | None, result: Quantization | None
    ) -> bool:
        """Whether XNNPACK has the int8 operation: with scales it can bridge as well."""
        if weight is None or source is None or result is None or weight.axis != 0:
            return False
        return max(weight.scales) * source.scale / result.scale < MAX_REQUANTIZATION

    # Writing operations

    def emit(
        self,
        kind: str,
        inputs: Mapping[str, Tensor | None],
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
        self,
        kind: str,
        inputs: Mapping[str, Tensor | None],
        output: Tensor,
        *,
        clamp: Clamp | None = None,
        **fields: Any,
    ) -> None:
        """Writes one operation with a given output. Raises ToolchainError for more dimensions than XNNPACK has."""
        if len(output.shape) > MAX_RANK:
            raise ToolchainError(
                got=f"a {kind} to the shape {output.shape}",
                allowed=f"at most {MAX_RANK} dimensions",
                do="write the model with fewer",
            )
        operation = Operation(
            kind=kind,
            inputs=dict(inputs),
            output=output,
            fields={"flags": 0, **fields},
            clamp=clamp,
            module=self.module,
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

    def write_number(self, value: float, node: Node, quantization: Quantization | None) -> Tensor:
        """One element, in the float type or int8."""
        if quantization is None:
            return self.parameter(np.array([value], np.float64), node)
        return self.constant(np.array([np.sign(value) * 127], np.int8), DataType.QINT8, quantization)

    def float_weight(self, weight: Constant, order: Order, axis: int, node: Node) -> Tensor:
        """A layer's weight in the float type; a convolution's in float32."""
        return self.parameter(weight.array.transpose(order), node, wide=len(order) == 4)

    def float_parameter(self, array: Array, node: Node, *, role: str, wide: bool = False) -> Tensor:
        """A constant in the float type, or with `wide` in float32."""
        return self.parameter(array, node, wide=wide)

    def coded_parameter(self, codes: Array, quantization: Quantization, node: Node, *, role: str) -> Tensor:
        """Codes with a scale per channel."""
        return self.constant(codes, INTEGER_TYPES[codes.dtype], quantization)

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

    def quantized(self, value: Value[Tensor], quantization: Quantization, *, name: str = "") -> Value[Tensor]:
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

    def write_slice(self, tensor: Tensor, axis: int, begin: int, size: int, *, name: str) -> Tensor:
        """Writes a StaticSlice."""
        shape = (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :])
        return self.emit(
            "StaticSlice",
            {"input_id": tensor},
            shape,
            quantization=tensor.quantization,
            num_dims=len(shape),
            offsets=[begin if place == axis else 0 for place in range(len(shape))],
            sizes=list(shape),
        )

    def write_concatenation(
        self, tensors: Sequence[Tensor], axis: int, shape: Shape, *, name: str, quantization: Quantization | None
    ) -> Tensor:
        """Writes a Concatenate of as many."""
        inputs: dict[str, Tensor | None] = {f"input{place}_id": None for place in range(1, MAX_CONCATENATED + 1)}
        inputs.update((f"input{place}_id", tensor) for place, tensor in enumerate(tensors, 1))
        return self.emit(f"Concatenate{len(tensors)}", inputs, shape, quantization=quantization, axis=axis)

    def write_pad(self, tensor: Tensor, amounts: Sequence[tuple[int, int]], *, name: str) -> Tensor:
        """Writes a StaticConstantPad."""
        return self.emit(
            "StaticConstantPad",
            {"input_id": tensor},
            tuple(size + sum(amount) for size, amount in zip(tensor.shape, amounts, strict=True)),
            quantization=tensor.quantization,
            pre_paddings=[before for before, _ in amounts],
            post_paddings=[after for _, after in amounts],
            padding_value=0.0,
        )

    def write_binary(
        self, kind: Arithmetic, operands: Sequence[Tensor], shape: Shape, epilogue: Epilogue, *, name: str
    ) -> Tensor:
        """Writes the operation that NAMES has."""
        inputs = {f"input{place}_id": tensor for place, tensor in enumerate(operands, 1)}
        return self.emit(NAMES[kind], inputs, shape, quantization=epilogue.quantization, clamp=epilogue.clamp)

    def write_product(
        self, x: Tensor, y: Tensor, shape: Shape, *, transposed: bool, name: str, quantization: Quantization | None
    ) -> Tensor:
        """Writes a BatchMatrixMultiply."""
        flags = TRANSPOSE_Y if transposed else 0
        inputs = {"input1_id": x, "input2_id": y}
        return self.emit("BatchMatrixMultiply", inputs, shape, quantization=quantization, flags=flags)

    def write_linear(
        self, value: Value[Tensor], weight: Tensor, bias: Tensor | None, epilogue: Epilogue, *, name: str
    ) -> Tensor:
        """Writes a FullyConnected."""
        return self.emit(
            "FullyConnected",
            {"input1_id": value.tensor, "filter_id": weight, "bias_id": bias},
            (*value.tensor.shape[:-1], weight.shape[0]),
            quantization=epilogue.quantization,
            clamp=epilogue.clamp,
        )

    def write_softmax(self, tensor: Tensor, *, name: str, quantization: Quantization | None) -> Tensor:
        """Writes a Softmax, which is always float."""
        return self.emit("Softmax", {"input_id": tensor}, tensor.shape)
