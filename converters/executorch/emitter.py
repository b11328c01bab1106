"""The state of one conversion: which value each node has, and the operations written so far.

A value is an activation (a tensor of the delegate and the layout that says what it means) or a constant. Three things are put off
until somebody needs them, and done once: reshapes (an activation's tensor may have another shape than its layout, with the same
elements in the same order), transposes, and conversions to float (a dequantize node yields the int8 activation itself).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.fx import Node

from converters.errors import ToolchainError
from converters.executorch.graph import MAX_RANK, NUMPY_TYPES, Array, Clamp, DataType, Graph, Operation, Tensor
from converters.tflite.graph import Quantization
from converters.tflite.layout import Layout, Order, Shape, View
from converters.tflite.program import QUANTIZE, arguments, only_user, operator_name, tensor_quantization, unsupported

INFINITY = float("inf")
FP16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An activation: a tensor of the delegate, and the layout that gives it logical dimensions."""

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
    """What follows a node and becomes part of it: a clamp, then a quantize. `last` is the node it ends with."""

    last: Node
    clamp: Clamp | None = None
    quantization: Quantization | None = None


class Emitter:
    """Writes operations into a graph. One per conversion; `real` is the type of everything that is not quantized."""

    def __init__(self, real: DataType) -> None:
        self.graph = Graph()
        self.values: dict[Node, Value | Constant] = {}
        self.absorbed: set[Node] = set()
        self.real = real
        self._shared: dict[tuple[Any, ...], Tensor] = {}
        self._real_sources: dict[int, Tensor] = {}

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
        """The value of a node as an activation; a constant is written in natural order."""
        value = self.values[node]
        if isinstance(value, Value):
            return value
        tensor = self.parameter(value.array, node)
        return Value(tensor, Layout(value.shape, tuple(range(len(value.shape)))))

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
        operation = Operation(kind=kind, inputs=inputs, output=output, fields={"flags": 0, **fields}, clamp=clamp)
        self.graph.operations.append(operation)

    def once(self, key: tuple[Any, ...], make: Callable[[], Tensor]) -> Tensor:
        """What `make` gave when it was first asked for under `key`."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def constant(self, array: Array, dtype: DataType, quantization: Quantization | None = None) -> Tensor:
        """A constant tensor; equal constants are one tensor."""
        array = np.ascontiguousarray(array)
        key = ("constant", array.tobytes(), array.shape, dtype, quantization)
        return self.once(key, lambda: Tensor(shape=array.shape, dtype=dtype, quantization=quantization, data=array))

    def parameter(self, array: Array, node: Node, *, wide: bool = False) -> Tensor:
        """A constant in the float type, or with `wide` one that is stored as float32 in any case.

        Raises ToolchainError for a value that float16 cannot hold when it has to.
        """
        if self.real is DataType.FP16 and array.size and not float(np.abs(array).max()) <= FP16_MAX:
            raise unsupported(node, f"with a constant above {FP16_MAX:.0f}", "convert this model with --fp32 or --int8")
        dtype = DataType.FP32 if wide else self.real
        return self.constant(array.astype(NUMPY_TYPES[dtype]), dtype)

    # Putting a value into the form that an operation needs

    def dequantized(self, value: Value) -> Value:
        """`value` in the float type, converted once for all who ask."""
        if value.quantization is None:
            return value
        source = value.tensor
        tensor = self.once(("float", id(source)), lambda: self.emit("Convert", {"input_id": source}, source.shape))
        return replace(value, tensor=tensor)

    def quantized(self, value: Value, quantization: Quantization) -> Value:
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

    def stored(self, value: Value) -> Tensor:
        """The tensor in the shape that the layout says it has."""
        return self.reshaped(value.tensor, value.layout.stored)

    def reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        """The tensor in another shape, its elements in the same order."""
        if tensor.shape == shape:
            return tensor
        return self.once(
            ("reshape", id(tensor), shape),
            lambda: self.emit(
                "StaticReshape",
                {"input_id": tensor},
                shape,
                quantization=tensor.quantization,
                num_dims=len(shape),
                new_shape=list(shape),
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
        """What was just converted to int8 is transposed before: XNNPACK moves single bytes slowly where few lie together."""
        source = self._real_sources.get(id(tensor))
        if source is not None and tensor.quantization is not None:
            return self._converted(self._transposed(source, permutation), tensor.quantization)
        shape = tuple(tensor.shape[place] for place in permutation)
        return self.once(
            ("transpose", id(tensor), permutation),
            lambda: self.emit(
                "StaticTranspose",
                {"input_id": tensor},
                shape,
                quantization=tensor.quantization,
                num_dims=len(permutation),
                perm=list(permutation),
            ),
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
