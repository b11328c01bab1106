"""How operations are written into TFLite's graph, and what is fused into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.fx import Node

from converters.lowering.arithmetic import Arithmetic
from converters.lowering.emitter import BaseEmitter, Clamp, Epilogue
from converters.lowering.layout import Order, Shape
from converters.lowering.program import tensor_name, unsupported
from converters.lowering.values import Array, Constant, Quantization, Value
from converters.tflite.graph import DATA_TYPES, Activation, DataType, Graph, Operation, Tensor

ACTIVATIONS: dict[Clamp | None, Activation] = {
    None: Activation.NONE,
    (0.0, float("inf")): Activation.RELU,
    (0.0, 6.0): Activation.RELU6,
}
"""The clamps that an operation can end with."""


class Emitter(BaseEmitter[Tensor]):
    """Writes TFLite's operations. With `half_weights` float parameters are stored as float16."""

    always_biased = True  # XNNPACK takes no convolution without one

    def __init__(self, *, half_weights: bool = False, integer_only: bool = False) -> None:
        """`integer_only` also writes the int8 operations that LiteRT's own kernels and NPUs have and XNNPACK does not."""
        super().__init__()
        self.graph = Graph()
        self.integer_only = integer_only
        self._half_weights = half_weights
        self._names: dict[str, int] = {}

    def fuses(self, clamp: Clamp) -> bool:
        """Whether it is a RELU or a RELU6."""
        return clamp in ACTIVATIONS

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

    def write_number(self, value: float, node: Node, quantization: Quantization | None) -> Tensor:
        """A scalar, in float always a float32."""
        array = np.array(value, np.float32) if quantization is None else np.array(np.sign(value) * 127, np.int8)
        return self.constant(array, name=f"{tensor_name(node)}/operand", quantization=quantization)

    def float_parameter(self, array: Array, node: Node, *, role: str, wide: bool = False) -> Tensor:
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

    def float_weight(self, weight: Constant, order: Order, axis: int, node: Node) -> Tensor:
        """A weight that comes as int8 is stored so, behind a DEQUANTIZE, which XNNPACK folds."""
        if weight.codes is None or weight.quantization is None:
            return self.float_parameter(weight.array.transpose(order), node, role="weight")
        name, codes = f"{tensor_name(node)}/weight", weight.codes.numpy().transpose(order)
        stored = self.constant(codes, name=f"{name}/int8", quantization=replace(weight.quantization, axis=axis))
        return self.once(("coded", id(stored)), lambda: self.emit("DEQUANTIZE", [stored], stored.shape, name=name))

    def coded_parameter(self, codes: Array, quantization: Quantization, node: Node, *, role: str) -> Tensor:
        """A parameter of an int8 operation, int8 or int32."""
        return self.constant(codes, name=f"{tensor_name(node)}/{role}", quantization=quantization)

    def indices(self, values: Any) -> Tensor:
        """An int32 constant for axes, shapes, paddings and permutations."""
        array = np.array(values, dtype=np.int32)
        return self.constant(array, name="indices/" + "_".join(str(value) for value in array.flatten()))

    # Putting a value into the form that an operation needs

    def dequantize(self, tensor: Tensor) -> Tensor:
        """Writes a DEQUANTIZE of one's own, which XNNPACK can fold into a table lookup with what follows."""
        return self.emit("DEQUANTIZE", [tensor], tensor.shape, name=f"{tensor.name}/dequantize")

    def quantized(self, value: Value[Tensor], quantization: Quantization, *, name: str = "") -> Value[Tensor]:
        """`value` as int8 with these parameters: nothing, a QUANTIZE or a requantization."""
        if value.quantization == quantization:
            return value
        name = name or f"{value.tensor.name}/requantize"
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

    def write_slice(self, tensor: Tensor, axis: int, begin: int, size: int, *, name: str) -> Tensor:
        """Writes a SLICE."""
        shape = (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :])
        begins = [begin if place == axis else 0 for place in range(len(shape))]
        inputs = [tensor, self.indices(begins), self.indices(shape)]
        return self.emit("SLICE", inputs, shape, name=name, quantization=tensor.quantization)

    def write_concatenation(
        self, tensors: Sequence[Tensor], axis: int, shape: Shape, *, name: str, quantization: Quantization | None
    ) -> Tensor:
        """Writes a CONCATENATION."""
        return self.emit("CONCATENATION", tensors, shape, name=name, quantization=quantization, axis=axis)

    def write_pad(self, tensor: Tensor, amounts: Sequence[tuple[int, int]], *, name: str) -> Tensor:
        """Writes a PAD."""
        shape = tuple(size + sum(amount) for size, amount in zip(tensor.shape, amounts, strict=True))
        inputs = [tensor, self.indices(amounts)]
        return self.emit("PAD", inputs, shape, name=name, quantization=tensor.quantization)

    def write_binary(
        self, kind: Arithmetic, operands: Sequence[Tensor], shape: Shape, epilogue: Epilogue, *, name: str
    ) -> Tensor:
        """Writes the operation of the same name."""
        options = {"fusedActivationFunction": ACTIVATIONS[epilogue.clamp]} if kind.fuses_clamp else {}
        return self.emit(kind.name, operands, shape, name=name, quantization=epilogue.quantization, **options)

    def write_product(
        self, x: Tensor, y: Tensor, shape: Shape, *, transposed: bool, name: str, quantization: Quantization | None
    ) -> Tensor:
        """Writes a BATCH_MATMUL."""
        return self.emit("BATCH_MATMUL", [x, y], shape, name=name, quantization=quantization, adjY=transposed)

    def write_linear(
        self, value: Value[Tensor], weight: Tensor, bias: Tensor | None, epilogue: Epilogue, *, name: str
    ) -> Tensor:
        """Writes a FULLY_CONNECTED, of matrices without keepNumDims."""
        keep_dims = len(value.layout.shape) != 2
        rows = value.tensor.shape[:-1] if keep_dims else (int(np.prod(value.tensor.shape[:-1])),)
        return self.emit(
            "FULLY_CONNECTED",
            [value.tensor, weight, bias],
            (*rows, weight.shape[0]),
            name=name,
            quantization=epilogue.quantization,
            keepNumDims=keep_dims,
            fusedActivationFunction=ACTIVATIONS[epilogue.clamp],
        )

    def write_softmax(self, tensor: Tensor, *, name: str, quantization: Quantization | None) -> Tensor:
        """Writes a SOFTMAX."""
        return self.emit("SOFTMAX", [tensor], tensor.shape, name=name, quantization=quantization, beta=1.0)
