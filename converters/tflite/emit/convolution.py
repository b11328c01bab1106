"""Convolutions and linear layers, float or int8.

Weights: PyTorch (O, I/g, kh, kw) -> CONV_2D (O, kh, kw, I/g) or DEPTHWISE_CONV_2D (1, kh, kw, O);
FULLY_CONNECTED keeps (O, I).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch.fx import Node

from converters.lowering.convolution import Convolution, fill_tiles, read_convolution
from converters.lowering.layout import CHANNELS_LAST, Layout, channels_last
from converters.lowering.products import constant_parameters, int32_bias
from converters.lowering.program import arguments, result_shape, tensor_name
from converters.lowering.values import Constant, Value
from converters.tflite.emitter import Emitter, Epilogue
from converters.tflite.graph import Padding, Tensor


def conv2d(emitter: Emitter, node: Node) -> None:
    """aten.conv2d: (B, C, H, W) -> (B, O, H', W')."""
    named = arguments(node)
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = operand(emitter, node, named["input"], weight)
    value = emitter.ordered(value, CHANNELS_LAST)
    batch, rows, columns, channels = value.layout.stored
    convolution = read_convolution(node, weight, bias)
    if epilogue.quantization is not None:
        convolution = fill_tiles(convolution, columns)
    pixels = convolution.input_pixels
    source = emitter.reshaped(value.tensor, (batch, rows, columns // pixels, pixels * channels))
    tensor, scheme = padded(emitter, node, source, convolution)
    order, axis = ((1, 2, 3, 0), 3) if convolution.depthwise else ((0, 2, 3, 1), 0)
    filters, biases = parameters(emitter, node, convolution.weight, convolution.bias, order, axis, value, epilogue)
    layout = channels_last(result_shape(node))
    _, height, width, outputs = layout.stored
    multiplier: dict[str, Any] = {"depthMultiplier": outputs // channels} if convolution.depthwise else {}
    output = emitter.emit(
        "DEPTHWISE_CONV_2D" if convolution.depthwise else "CONV_2D",
        [tensor, filters, biases],
        (batch, height, width // convolution.output_pixels, convolution.output_pixels * outputs),
        name=tensor_name(node),
        quantization=epilogue.quantization,
        padding=scheme,
        strideH=convolution.stride[0],
        strideW=convolution.stride[1],
        dilationHFactor=convolution.dilation[0],
        dilationWFactor=convolution.dilation[1],
        fusedActivationFunction=epilogue.activation,
        **multiplier,
    )
    emitter.finish(node, epilogue, Value(output, layout))


def linear(emitter: Emitter, node: Node) -> None:
    """aten.linear: (..., I) -> (..., O)."""
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = operand(emitter, node, arguments(node)["input"], weight)
    fully_connected(emitter, node, value, weight, bias, epilogue)


def fully_connected(
    emitter: Emitter, node: Node, value: Value[Tensor], weight: Constant, bias: Constant | None, epilogue: Epilogue
) -> None:
    """Writes (..., I) x (O, I) -> (..., O). The leading dimensions may be stored in any order."""
    last = len(value.layout.shape) - 1
    value = emitter.innermost(value, last)
    tensor = emitter.rows(value)
    filters, biases = parameters(emitter, node, weight, bias, (0, 1), 0, value, epilogue)
    outputs = weight.shape[0]
    keep_dims = last != 1
    rows = tensor.shape[:-1] if keep_dims else (int(np.prod(tensor.shape[:-1])),)
    output = emitter.emit(
        "FULLY_CONNECTED",
        [tensor, filters, biases],
        (*rows, outputs),
        name=tensor_name(node),
        quantization=epilogue.quantization,
        keepNumDims=keep_dims,
        fusedActivationFunction=epilogue.activation,
    )
    emitter.finish(node, epilogue, Value(output, Layout(result_shape(node), value.layout.order)))


def operand(emitter: Emitter, node: Node, source: Node, weight: Constant) -> tuple[Value[Tensor], Epilogue]:
    """The activation input, and the epilogue: int8 when activation, weight and result are, else float."""
    value = emitter.activation(source)
    int8 = value.quantization is not None and weight.quantization is not None and weight.quantization.axis == 0
    epilogue = emitter.epilogue(node, int8=int8)
    return (value if epilogue.quantization else emitter.dequantized(value)), epilogue


def parameters(
    emitter: Emitter,
    node: Node,
    weight: Constant,
    bias: Constant | None,
    order: tuple[int, ...],
    axis: int,
    value: Value[Tensor],
    epilogue: Epilogue,
) -> tuple[Tensor, Tensor]:
    """Weight and bias tensors, the weight permuted to `order`, its output channels along `axis`.

    The bias is always there, because XNNPACK takes no convolution without one. An int8 operation's bias is int32 in
    units of input scale times weight scale.
    """
    biases = np.zeros(weight.shape[0], np.float32) if bias is None else bias.array
    name = tensor_name(node)
    if epilogue.quantization is None:
        return (
            float_weight(emitter, node, weight, order, axis),
            emitter.weight(biases, node=node, role="bias"),
        )
    assert weight.codes is not None
    assert weight.quantization is not None
    assert value.quantization is not None
    codes = weight.codes.numpy().transpose(order)
    bias_codes, units = int32_bias(biases, weight.quantization, value.quantization)
    return (
        emitter.constant(codes, name=f"{name}/weight", quantization=replace(weight.quantization, axis=axis)),
        emitter.constant(bias_codes, name=f"{name}/bias", quantization=units),
    )


def float_weight(emitter: Emitter, node: Node, weight: Constant, order: tuple[int, ...], axis: int) -> Tensor:
    """The weight of a float operation permuted to `order`; kept as int8 where it comes as that."""
    if weight.codes is None or weight.quantization is None:
        return emitter.weight(weight.array.transpose(order), node=node, role="weight")
    codes = weight.codes.numpy().transpose(order)
    return emitter.coded_weight(codes, replace(weight.quantization, axis=axis), node=node, role="weight")


def padded(emitter: Emitter, node: Node, tensor: Tensor, convolution: Convolution) -> tuple[Tensor, Padding]:
    """The NHWC input and TFLite's name for its padding.

    PyTorch pads both sides alike; SAME puts the odd cell behind (3x3, stride 2, even size), and then the padding is a
    PAD of its own, which XNNPACK folds into the convolution.
    """
    needed = list(convolution.padding)
    if not any(map(any, needed)):
        return tensor, Padding.VALID
    axes = zip(tensor.shape[1:3], convolution.kernel, convolution.stride, convolution.dilation, strict=True)
    if needed == [same_padding(*axis) for axis in axes]:
        return tensor, Padding.SAME
    amounts = [(0, 0), *needed, (0, 0)]
    shape = tuple(size + sum(amount) for size, amount in zip(tensor.shape, amounts, strict=True))
    name = f"{tensor_name(node)}/pad"
    output = emitter.emit("PAD", [tensor, emitter.indices(amounts)], shape, name=name, quantization=tensor.quantization)
    return output, Padding.VALID


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) of TFLite's SAME along one axis."""
    extent = dilation * (kernel - 1) + 1
    total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    return total // 2, total - total // 2
