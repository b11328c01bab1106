"""The table of operators: what each node of an exported program becomes in ONNX, opset 20. One that is not here is an error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch.fx import Node

from converters.lowering.emitter import clamp_limits
from converters.lowering.movement import zero_padding
from converters.lowering.products import pair
from converters.lowering.program import (
    DEQUANTIZE,
    QUANTIZE,
    arguments,
    only_user,
    operator_name,
    result_shape,
    tensor_name,
    tensor_quantization,
    unsupported,
)
from converters.onnx.writer import BITS, WIDE_BITS, Writer

Emit = Callable[[Writer, Node], None]
RELU = (0.0, math.inf)


def unary(kind: str, **attributes: float) -> Emit:
    """An operation of one tensor."""

    def emit(writer: Writer, node: Node) -> None:
        writer.emit(node, kind, [writer.name_of(node.all_input_nodes[0])], **attributes)

    return emit


def binary(kind: str, *, exchanged: bool = False) -> Emit:
    """An operation of two operands that broadcast, either of which may be a number."""

    def emit(writer: Writer, node: Node) -> None:
        named = arguments(node)
        if named.get("alpha", 1) != 1:
            raise unsupported(node, f"with alpha={named['alpha']}", "multiply before adding")
        operands = [_operand(writer, node, argument) for argument in list(named.values())[:2]]
        writer.emit(node, kind, operands[::-1] if exchanged else operands)

    return emit


def _operand(writer: Writer, node: Node, argument: Node | float) -> str:
    if isinstance(argument, Node):
        return writer.name_of(argument)
    return writer.initializer(np.array(argument, np.float32), f"{tensor_name(node)}/number")


def reduction(kind: str) -> Emit:
    """A reduction over dimensions."""

    def emit(writer: Writer, node: Node) -> None:
        named = arguments(node)
        dims = [named["dim"]] if isinstance(named["dim"], int) else list(named["dim"])
        axes = writer.integers(dims, f"{tensor_name(node)}/axes")
        writer.emit(node, kind, [writer.name_of(named[next(iter(named))]), axes], keepdims=int(named["keepdim"]))

    return emit


def conv2d(writer: Writer, node: Node) -> None:
    named = arguments(node)
    height, width = pair(named["padding"])
    writer.emit(
        node,
        "Conv",
        [writer.name_of(named["input"]), *_parameters(writer, node)],
        strides=pair(named["stride"]),
        pads=[height, width, height, width],
        dilations=pair(named["dilation"]),
        group=int(named["groups"]),
    )


def linear(writer: Writer, node: Node) -> None:
    """A Gemm of rank 2; of other ranks a product with the transposed weight, and a sum."""
    source = arguments(node)["input"]
    weight, *bias = _parameters(writer, node)
    if len(result_shape(source)) == 2:
        writer.emit(node, "Gemm", [writer.name_of(source), weight, *bias], transB=1)
        return
    name = tensor_name(node)
    turned = writer.write("Transpose", [weight], f"{name}/weight/transposed", perm=[1, 0])
    if not bias:
        writer.emit(node, "MatMul", [writer.name_of(source), turned])
        return
    product = writer.write("MatMul", [writer.name_of(source), turned], f"{name}/product")
    writer.emit(node, "Add", [product, *bias])


def _parameters(writer: Writer, node: Node) -> list[str]:
    """Weight, and bias where there is one. Raises ToolchainError if they are computed from the input."""
    named = arguments(node)
    weight, bias = (None if named[role] is None else writer.constants.get(named[role]) for role in ("weight", "bias"))
    if weight is None or (bias is None and named["bias"] is not None):
        raise unsupported(node, "with a computed parameter", "write it as a matmul and a sum")
    written = [writer.name_of(named["weight"])]
    return written if bias is None else [*written, writer.bias(node, named["input"], weight, bias)]


def clamp(writer: Writer, node: Node) -> None:
    """A Relu or a Clip; nothing where a quantization follows a ReLU: its lowest code stands for 0, also of a tensor that is always 0, whose
    plan has another. Hexagon takes no layer with an operation before its quantization.
    """
    source = writer.name_of(node.all_input_nodes[0])
    limits = clamp_limits(node)
    assert limits is not None
    low, high = limits
    if limits == RELU:
        follower = only_user(node)
        if follower is not None and _rectified(follower):
            writer.names[node] = source
        else:
            writer.emit(node, "Relu", [source])
        return
    name = tensor_name(node)
    ends = [
        writer.initializer(np.array(limit, np.float32), f"{name}/{end}") if math.isfinite(limit) else ""
        for end, limit in (("low", low), ("high", high))
    ]
    writer.emit(node, "Clip", [source, *ends])


def _rectified(node: Node) -> bool:
    """Whether a node quantizes a ReLU that nobody else reads, so that its lowest code can stand for 0."""
    if operator_name(node) != QUANTIZE:
        return False
    source = node.all_input_nodes[0]
    return clamp_limits(source) == RELU and only_user(source) is node


def gelu(writer: Writer, node: Node) -> None:
    writer.emit(node, "Gelu", [writer.name_of(node.all_input_nodes[0])], approximate=arguments(node)["approximate"])


def softmax(writer: Writer, node: Node) -> None:
    writer.emit(node, "Softmax", [writer.name_of(node.all_input_nodes[0])], axis=int(arguments(node)["dim"]))


def layer_norm(writer: Writer, node: Node) -> None:
    named = arguments(node)
    inputs = [writer.name_of(named[role]) for role in ("input", "weight", "bias") if named[role] is not None]
    writer.emit(node, "LayerNormalization", inputs, axis=-len(named["normalized_shape"]), epsilon=float(named["eps"]))


def rsqrt(writer: Writer, node: Node) -> None:
    root = writer.write("Sqrt", [writer.name_of(node.all_input_nodes[0])], f"{tensor_name(node)}/root")
    writer.emit(node, "Reciprocal", [root])


def power(writer: Writer, node: Node) -> None:
    exponent = writer.initializer(np.array(arguments(node)["exponent"], np.float32), f"{tensor_name(node)}/exponent")
    writer.emit(node, "Pow", [writer.name_of(node.all_input_nodes[0]), exponent])


def reshape(writer: Writer, node: Node) -> None:
    """view, flatten, squeeze and whatever else keeps the elements in order."""
    shape = writer.integers(result_shape(node), f"{tensor_name(node)}/shape")
    writer.emit(node, "Reshape", [writer.name_of(node.all_input_nodes[0]), shape])


def permute(writer: Writer, node: Node) -> None:
    rank = len(result_shape(node))
    dims = [int(dim) % rank for dim in arguments(node)["dims"]]
    writer.emit(node, "Transpose", [writer.name_of(node.all_input_nodes[0])], perm=dims)


def transpose(writer: Writer, node: Node) -> None:
    named, dims = arguments(node), list(range(len(result_shape(node))))
    first, second = named.get("dim0", 0), named.get("dim1", 1)
    dims[first], dims[second] = dims[second], dims[first]
    writer.emit(node, "Transpose", [writer.name_of(node.all_input_nodes[0])], perm=dims)


def same(writer: Writer, node: Node) -> None:
    """clone, dropout and the like: the value itself."""
    source = node.all_input_nodes[0]
    if result_shape(source) != result_shape(node):
        raise unsupported(
            node, f"from {result_shape(source)} to {result_shape(node)}", "let the next operation broadcast"
        )
    writer.names[node] = writer.name_of(source)


def slice_tensor(writer: Writer, node: Node) -> None:
    named, name = arguments(node), tensor_name(node)
    dim = int(named["dim"])
    begin, end, step = slice(named["start"], named["end"], named["step"]).indices(
        result_shape(node.all_input_nodes[0])[dim]
    )
    ends = [
        writer.integers([value], f"{name}/{role}")
        for role, value in (("begin", begin), ("end", end), ("dim", dim), ("step", step))
    ]
    writer.emit(node, "Slice", [writer.name_of(node.all_input_nodes[0]), *ends])


def concatenate(writer: Writer, node: Node) -> None:
    named = arguments(node)
    writer.emit(node, "Concat", [writer.name_of(part) for part in named["tensors"]], axis=int(named["dim"]))


def pad(writer: Writer, node: Node) -> None:
    amounts = zero_padding(node)
    pads = writer.integers(
        [before for before, _ in amounts] + [after for _, after in amounts], f"{tensor_name(node)}/pads"
    )
    writer.emit(node, "Pad", [writer.name_of(node.all_input_nodes[0]), pads])


def quantize(writer: Writer, node: Node) -> None:
    writer.emit(node, "QuantizeLinear", [writer.name_of(node.all_input_nodes[0]), *_codes(writer, node)])


def dequantize(writer: Writer, node: Node) -> None:
    writer.emit(node, "DequantizeLinear", [writer.name_of(node.all_input_nodes[0]), *_codes(writer, node)])


def _codes(writer: Writer, node: Node) -> list[str]:
    """Scale and zero point of a tensor. 16 bits are written without a sign: Hexagon has no depthwise convolutions of int16."""
    quantization = tensor_quantization(node, BITS)
    if _rectified(node if operator_name(node) == QUANTIZE else node.all_input_nodes[0]):
        quantization = replace(quantization, zero_point=-(1 << (quantization.bits - 1)))
    if quantization.bits == WIDE_BITS:
        quantization = replace(quantization, zero_point=quantization.zero_point + (1 << (WIDE_BITS - 1)))
        return writer.parameters(quantization, np.dtype(np.uint16), tensor_name(node))
    return writer.parameters(quantization, np.dtype(np.int8), tensor_name(node))


def matmul(writer: Writer, node: Node) -> None:
    writer.emit(node, "MatMul", [writer.name_of(source) for source in node.args if isinstance(source, Node)])


OPERATORS: dict[str, Emit] = {
    "aten._softmax.default": softmax,
    "aten._unsafe_view.default": reshape,
    "aten.abs.default": unary("Abs"),
    "aten.add.Tensor": binary("Add"),
    "aten.alias.default": same,
    "aten.amax.default": reduction("ReduceMax"),
    "aten.bmm.default": matmul,
    "aten.cat.default": concatenate,
    "aten.clamp.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.clone.default": same,
    "aten.constant_pad_nd.default": pad,
    "aten.contiguous.default": same,
    "aten.conv2d.default": conv2d,
    "aten.detach.default": same,
    "aten.div.Tensor": binary("Div"),
    "aten.dropout.default": same,
    "aten.exp.default": unary("Exp"),
    "aten.expand.default": same,
    "aten.flatten.using_ints": reshape,
    "aten.gelu.default": gelu,
    "aten.hardswish.default": unary("HardSwish"),
    "aten.hardswish_.default": unary("HardSwish"),
    "aten.hardtanh.default": clamp,
    "aten.layer_norm.default": layer_norm,
    "aten.linear.default": linear,
    "aten.log.default": unary("Log"),
    "aten.matmul.default": matmul,
    "aten.maximum.default": binary("Max"),
    "aten.mean.dim": reduction("ReduceMean"),
    "aten.minimum.default": binary("Min"),
    "aten.mul.Tensor": binary("Mul"),
    "aten.neg.default": unary("Neg"),
    "aten.pad.default": pad,
    "aten.permute.default": permute,
    "aten.pow.Tensor_Scalar": power,
    "aten.relu.default": clamp,
    "aten.relu6.default": clamp,
    "aten.relu6_.default": clamp,
    "aten.relu_.default": clamp,
    "aten.reshape.default": reshape,
    "aten.rsqrt.default": rsqrt,
    "aten.rsub.Scalar": binary("Sub", exchanged=True),
    "aten.sigmoid.default": unary("Sigmoid"),
    "aten.slice.Tensor": slice_tensor,
    "aten.softmax.int": softmax,
    "aten.sqrt.default": unary("Sqrt"),
    "aten.squeeze.dim": reshape,
    "aten.squeeze.dims": reshape,
    "aten.sub.Tensor": binary("Sub"),
    "aten.sum.dim_IntList": reduction("ReduceSum"),
    "aten.t.default": transpose,
    "aten.tanh.default": unary("Tanh"),
    "aten.transpose.int": transpose,
    "aten.unsqueeze.default": reshape,
    "aten.view.default": reshape,
    DEQUANTIZE: dequantize,
    QUANTIZE: quantize,
}
