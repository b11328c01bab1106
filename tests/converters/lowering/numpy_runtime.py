"""A runtime of NumPy arrays. What is written is computed at once, in float64, so that what is lowered can be held against PyTorch."""

# ruff: noqa: ARG002  # names and roles are for runtimes that write files

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from torch.fx import Node

from converters.lowering.arithmetic import Arithmetic
from converters.lowering.emitter import BaseEmitter, Clamp, Epilogue
from converters.lowering.layout import CHANNELS_LAST, Layout, Order, Shape, inverse
from converters.lowering.values import Constant, Quantization, Value

OPERATIONS = {
    Arithmetic.ADD: np.add,
    Arithmetic.SUB: np.subtract,
    Arithmetic.MUL: np.multiply,
    Arithmetic.DIV: np.divide,
    Arithmetic.MAXIMUM: np.maximum,
    Arithmetic.MINIMUM: np.minimum,
}


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Numbers as they are stored: codes with `quantization`, else floats."""

    array: np.ndarray
    quantization: Quantization | None = None

    @property
    def shape(self) -> Shape:
        return self.array.shape


def real(tensor: Stored) -> np.ndarray:
    """What the numbers stand for."""
    quantization = tensor.quantization
    if quantization is None:
        return tensor.array
    scales = np.array(quantization.scales)
    if len(scales) > 1:
        scales = scales.reshape([-1 if axis == quantization.axis else 1 for axis in range(tensor.array.ndim)])
    return (tensor.array.astype(np.float64) - quantization.zero_point) * scales


def stored(values: np.ndarray, quantization: Quantization | None = None) -> Stored:
    """Floats as the runtime stores them."""
    if quantization is None:
        return Stored(values)
    codes = np.rint(values / quantization.scale) + quantization.zero_point
    return Stored(np.clip(codes, -128, 127).astype(np.int8), quantization)


def value_of(x: Tensor, order: Order | None = None, quantization: Quantization | None = None) -> Value[Stored]:
    """An activation stored in `order`; images are NHWC without one."""
    order = order or (CHANNELS_LAST if x.ndim == 4 else tuple(range(x.ndim)))
    return Value(stored(x.double().numpy().transpose(order), quantization), Layout(tuple(x.shape), order))


def logical(value: Value[Stored] | Constant) -> np.ndarray:
    """A value in PyTorch's order of dimensions."""
    assert isinstance(value, Value)
    return real(value.tensor).reshape(value.layout.stored).transpose(inverse(value.layout.order))


class NumpyEmitter(BaseEmitter[Stored]):
    """`written` are the operations in order, `parameters` the last of each role."""

    def __init__(self, *, integer_only: bool = False, always_biased: bool = False) -> None:
        super().__init__()
        self.integer_only, self.always_biased = integer_only, always_biased
        self.written: list[str] = []
        self.parameters: dict[str, Stored] = {}

    def fuses(self, clamp: Clamp) -> bool:
        return clamp[0] == 0

    def _write(self, name: str, values: np.ndarray, quantization: Quantization | None = None) -> Stored:
        self.written.append(name)
        return stored(values, quantization)

    def _ended(self, name: str, values: np.ndarray, epilogue: Epilogue) -> Stored:
        clamped = values if epilogue.clamp is None else np.clip(values, *epilogue.clamp)
        return self._write(name, clamped, epilogue.quantization)

    def _parameter(self, role: str, tensor: Stored) -> Stored:
        self.parameters[role] = tensor
        return tensor

    def write_constant(self, array: np.ndarray, node: Node) -> Stored:
        return self._parameter(node.name, Stored(array))

    def write_number(self, value: float, node: Node, quantization: Quantization | None) -> Stored:
        coded = np.array(value if quantization is None else np.sign(value) * 127)
        return self._parameter("number", Stored(coded, quantization))

    def float_weight(self, weight: Constant, order: Order, axis: int, node: Node) -> Stored:
        return self._parameter("weight", Stored(weight.array.transpose(order)))

    def float_parameter(self, array: np.ndarray, node: Node, *, role: str, wide: bool = False) -> Stored:
        return self._parameter(role, Stored(array))

    def coded_parameter(self, codes: np.ndarray, quantization: Quantization, node: Node, *, role: str) -> Stored:
        return self._parameter(role, Stored(codes, quantization))

    def quantized(self, value: Value[Stored], quantization: Quantization, *, name: str = "") -> Value[Stored]:
        if value.quantization == quantization:
            return value
        return Value(self._write("QUANTIZE", real(value.tensor), quantization), value.layout)

    def dequantize(self, tensor: Stored) -> Stored:
        return self._write("DEQUANTIZE", real(tensor))

    def write_reshape(self, tensor: Stored, shape: Shape) -> Stored:
        return self._moved("RESHAPE", tensor, tensor.array.reshape(shape))

    def write_transpose(self, tensor: Stored, permutation: Order) -> Stored:
        return self._moved("TRANSPOSE", tensor, tensor.array.transpose(permutation))

    def write_slice(self, tensor: Stored, axis: int, begin: int, size: int, *, name: str) -> Stored:
        assert 0 <= begin < begin + size <= tensor.shape[axis]
        return self._moved("SLICE", tensor, tensor.array.take(range(begin, begin + size), axis))

    def _moved(self, name: str, tensor: Stored, array: np.ndarray) -> Stored:
        self.written.append(name)
        return Stored(array, tensor.quantization)

    def write_concatenation(
        self, tensors: Sequence[Stored], axis: int, shape: Shape, *, name: str, quantization: Quantization | None
    ) -> Stored:
        assert all(tensor.quantization == quantization for tensor in tensors)
        joined = np.concatenate([tensor.array for tensor in tensors], axis)
        assert joined.shape == shape
        self.written.append("CONCATENATION")
        return Stored(joined, quantization)

    def write_pad(self, tensor: Stored, amounts: Sequence[tuple[int, int]], *, name: str) -> Stored:
        return self._write("PAD", np.pad(real(tensor), amounts), tensor.quantization)

    def write_binary(
        self, kind: Arithmetic, operands: Sequence[Stored], shape: Shape, epilogue: Epilogue, *, name: str
    ) -> Stored:
        if epilogue.quantization is not None:
            assert all(operand.quantization for operand in operands)
        result: Any = OPERATIONS[kind](*map(real, operands))
        assert result.shape == shape
        return self._ended(kind.name, result, epilogue)

    def write_product(
        self, x: Stored, y: Stored, shape: Shape, *, transposed: bool, name: str, quantization: Quantization | None
    ) -> Stored:
        product = real(x) @ (real(y).swapaxes(-1, -2) if transposed else real(y))
        assert product.shape == shape
        return self._write("PRODUCT", product, quantization)

    def write_linear(
        self, value: Value[Stored], weight: Stored, bias: Stored | None, epilogue: Epilogue, *, name: str
    ) -> Stored:
        product = real(value.tensor) @ real(weight).T + (0 if bias is None else real(bias))
        return self._ended("LINEAR", product, epilogue)

    def write_softmax(self, tensor: Stored, *, name: str, quantization: Quantization | None) -> Stored:
        powers = np.exp(real(tensor))
        return self._write("SOFTMAX", powers / powers.sum(-1, keepdims=True), quantization)
