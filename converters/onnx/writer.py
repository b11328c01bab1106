"""The state of one conversion to ONNX: nodes and initializers so far, and what each node of the program is called in the file.

Tensors have PyTorch's shapes and order (NCHW). int8 is written as pairs: QuantizeLinear and DequantizeLinear around float operations,
which runtimes fuse into integer ones; a bias is int32 in steps of input scale times weight scale, so that no runtime rounds it its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.fx import Node

from converters.lowering.products import int32_bias
from converters.lowering.program import DEQUANTIZE, operator_name, tensor_name, tensor_quantization
from converters.lowering.values import Array, Constant, Quantization

WIDE_BITS = 16
BITS = (8, WIDE_BITS)
"""Of the codes of activations that there is a form for."""

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto


@dataclass(slots=True, kw_only=True)
class Writer:
    """One per conversion; with `half_weights` weights are stored in fp16, and computed with in fp32."""

    half_weights: bool = False
    names: dict[Node, str] = field(default_factory=dict)
    constants: dict[Node, Constant] = field(default_factory=dict)
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: dict[str, TensorProto] = field(default_factory=dict)

    def write(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Adds a node with one output, called like the node; returns that name."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def emit(self, node: Node, kind: str, inputs: Sequence[str], **attributes: Any) -> None:
        """Adds the node that stands for `node`."""
        self.names[node] = self.write(kind, inputs, tensor_name(node), **attributes)

    def name_of(self, node: Node) -> str:
        """What the result of `node` is called; a constant is written when it is first asked for."""
        if node not in self.names:
            self.names[node] = self.constant(self.constants[node], tensor_name(node))
        return self.names[node]

    def constant(self, constant: Constant, name: str) -> str:
        """A float constant, from its codes where it has such."""
        if constant.codes is not None and constant.quantization is not None:
            return self.dequantized(constant.codes.numpy(), constant.quantization, name)
        if self.half_weights and constant.value.numel() > 1:
            stored = self.initializer(constant.array.astype(np.float16), f"{name}/half")
            return self.write("Cast", [stored], name, to=1)
        return self.initializer(constant.array, name)

    def initializer(self, array: Array, name: str) -> str:
        """Adds a stored tensor."""
        from onnx import numpy_helper

        self.initializers[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def integers(self, values: Sequence[int], name: str) -> str:
        """Adds a list of numbers that an operation takes as an input."""
        return self.initializer(np.array(values, np.int64), name)

    def dequantized(self, codes: Array, quantization: Quantization, name: str) -> str:
        """Adds stored codes and what makes floats of them."""
        stored = self.initializer(codes, f"{name}/codes")
        several = {"axis": quantization.axis} if len(quantization.scales) > 1 else {}
        return self.write(
            "DequantizeLinear", [stored, *self.parameters(quantization, codes.dtype, name)], name, **several
        )

    def parameters(self, quantization: Quantization, dtype: Any, name: str) -> list[str]:
        """Scale and zero point as inputs: numbers, or one each per channel."""
        scales = np.array(quantization.scales, np.float32)
        zero_points = np.full(scales.shape, quantization.zero_point, dtype)
        if len(scales) == 1:
            scales, zero_points = scales.reshape(()), zero_points.reshape(())
        return [self.initializer(scales, f"{name}/scale"), self.initializer(zero_points, f"{name}/zero_point")]

    def bias(self, node: Node, source: Node, weight: Constant, bias: Constant) -> str:
        """A layer's bias: int32 where its weight and its input, `source`, are int8."""
        name = f"{tensor_name(node)}/bias"
        if weight.quantization is None or operator_name(source) != DEQUANTIZE:
            return self.constant(bias, name)
        codes, units = int32_bias(bias.array, weight.quantization, tensor_quantization(source, BITS))
        return self.dequantized(codes, units, name)
