"""The state of one conversion: which value each node has, and the operations written so far.

A value is an activation (a tensor of the file and the layout that says what it means) or a constant. Three things are
put off until somebody needs them, and done once: RESHAPE (an activation's tensor may have another shape than its
layout, with the same elements in the same order), TRANSPOSE, and DEQUANTIZE (a dequantize node yields the int8
activation itself).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.fx import Node

from converters.tflite.graph import DATA_TYPES, Activation, Array, DataType, Graph, Operation, Quantization, Tensor
from converters.tflite.layout import Layout, Order, Shape, View
from converters.tflite.program import (
    QUANTIZE,
    arguments,
    only_user,
    operator_name,
    tensor_name,
    tensor_quantization,
    unsupported,
)

RELU_UPPER = {
    None: Activation.RELU,
    float("inf"): Activation.RELU,
    6.0: Activation.RELU6,
}
LOGISTIC_QUANTIZATION = Quantization(scales=(1 / 256,), zero_point=-128)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An activation: a tensor of the file, and the layout that gives it logical dimensions."""

    tensor: Tensor
    layout: Layout

    @property
    def quantization(self) -> Quantization | None:
        return self.tensor.quantization


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value known at conversion. `codes` and `quantization` are there when it comes from int8 storage."""

    value: torch.Tensor
    codes: torch.Tensor | None = None
    quantization: Quantization | None = None

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)

    @property
    def array(self) -> Array:
        """As float32 NumPy array."""
        array: Array = self.value.to(torch.float32).contiguous().numpy()
        return array


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue:
    """What follows a node and becomes part of it: an activation, then a quantize. `last` is the node it ends with."""

    last: Node
    activation: Activation = Activation.NONE
    quantization: Quantization | None = None


class Emitter:
    """Writes operations into a graph. One per conversion."""

    def __init__(self, *, half_weights: bool) -> None:
        self.graph = Graph()
        self.values: dict[Node, Value | Constant] = {}
        self.absorbed: set[Node] = set()
        self._half_weights = half_weights
        self._shared: dict[tuple[Any, ...], Tensor] = {}
        self._names: dict[str, int] = {}

    # Values of nodes

    def bind(self, node: Node, value: Value | Constant) -> None:
        """Gives `node` its value."""
        self.values[node] = value

    def finish(self, node: Node, epilogue: Epilogue, value: Value) -> None:
        """Gives `value` to the last node of the epilogue; the nodes before it are done with."""
        while node is not epilogue.last:
            self.absorbed.add(node)
            (node,) = node.users
        self.values[node] = value

    def activation(self, node: Node) -> Value:
        """The value of a node as an activation; a constant is written into the file in natural order."""
        value = self.values[node]
        if isinstance(value, Value):
            return value
        tensor = self.constant(value.array, name=tensor_name(node))
        return Value(tensor, Layout(value.shape, tuple(range(len(value.shape)))))

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

    def _once(self, key: tuple[Any, ...], make: Callable[[], Tensor]) -> Tensor:
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def constant(self, array: Array, *, name: str, quantization: Quantization | None = None) -> Tensor:
        """A constant tensor; equal constants are one tensor. NumPy's dtype decides the file's."""
        array = np.ascontiguousarray(array)
        dtype = DATA_TYPES[array.dtype]

        def make() -> Tensor:
            return Tensor(
                name=self._unique(name), shape=array.shape, dtype=dtype, quantization=quantization, data=array
            )

        return self._once(("constant", array.tobytes(), array.shape, dtype, quantization), make)

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
        return self._once(("half", id(stored)), lambda: self.emit("DEQUANTIZE", [stored], stored.shape, name=name))

    def indices(self, values: Any) -> Tensor:
        """An int32 constant for axes, shapes, paddings and permutations."""
        array = np.array(values, dtype=np.int32)
        return self.constant(array, name="indices/" + "_".join(str(value) for value in array.flatten()))

    # Putting a value into the form that an operation needs

    def dequantized(self, value: Value) -> Value:
        """`value` as float32, dequantized once for all who ask."""
        if value.quantization is None:
            return value
        tensor = self._once(("float", id(value.tensor)), lambda: self.dequantize(value.tensor))
        return replace(value, tensor=tensor)

    def dequantize(self, tensor: Tensor) -> Tensor:
        """Writes a DEQUANTIZE of one's own, which XNNPACK can fold into a table lookup with what follows."""
        return self.emit("DEQUANTIZE", [tensor], tensor.shape, name=f"{tensor.name}/dequantize")

    def quantized(self, value: Value, quantization: Quantization, *, name: str) -> Value:
        """`value` as int8 with these parameters: nothing, a QUANTIZE or a requantization."""
        if value.quantization == quantization:
            return value
        tensor = self._once(
            ("int8", id(value.tensor), quantization),
            lambda: self.emit("QUANTIZE", [value.tensor], value.tensor.shape, name=name, quantization=quantization),
        )
        return replace(value, tensor=tensor)

    def stored(self, value: Value) -> Tensor:
        """The tensor in the shape that the layout says it has."""
        return self.reshaped(value.tensor, value.layout.stored)

    def reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        """The tensor in another shape, its elements in the same order."""
        if tensor.shape == shape:
            return tensor
        return self._once(
            ("reshape", id(tensor), shape),
            lambda: self.emit(
                "RESHAPE",
                [tensor, self.indices(shape)],
                shape,
                name=f"{tensor.name}/reshape",
                quantization=tensor.quantization,
                newShape=list(shape),
            ),
        )

    def ordered(self, value: Value, order: Order) -> Value:
        """`value` stored in `order`."""
        layout = Layout(value.layout.shape, order)
        if value.layout.same_memory(order):
            return Value(value.tensor, layout)
        permutation = tuple(value.layout.place(dim) for dim in order)
        return Value(self._transposed(self.stored(value), permutation), layout)

    def viewed(self, value: Value, plan: View) -> Value:
        """`value` after a view."""
        if plan.permutation is None:
            return Value(value.tensor, plan.layout)
        source = self.reshaped(value.tensor, plan.source)
        return Value(self._transposed(source, plan.permutation), plan.layout)

    def _transposed(self, tensor: Tensor, permutation: Order) -> Tensor:
        shape = tuple(tensor.shape[place] for place in permutation)
        return self._once(
            ("transpose", id(tensor), permutation),
            lambda: self.emit(
                "TRANSPOSE",
                [tensor, self.indices(permutation)],
                shape,
                name=f"{tensor.name}/transpose",
                quantization=tensor.quantization,
            ),
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
