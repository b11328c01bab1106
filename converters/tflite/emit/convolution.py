"""Convolutions, float or int8.

Weights: PyTorch (O, I/g, kh, kw) -> CONV_2D (O, kh, kw, I/g) or DEPTHWISE_CONV_2D (1, kh, kw, O).
"""

from __future__ import annotations

from typing import Any

from torch.fx import Node

from converters.lowering.convolution import Convolution, fill_tiles, read_convolution
from converters.lowering.emit.linear import weight_and_bias, weighted
from converters.lowering.layout import CHANNELS_LAST, channels_last
from converters.lowering.products import constant_parameters
from converters.lowering.program import arguments, result_shape, tensor_name
from converters.lowering.values import Value
from converters.tflite.emitter import ACTIVATIONS, Emitter
from converters.tflite.graph import Padding, Tensor


def conv2d(emitter: Emitter, node: Node) -> None:
    """aten.conv2d: (B, C, H, W) -> (B, O, H', W')."""
    named = arguments(node)
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = weighted(emitter, node, named["input"], weight)
    value = emitter.ordered(value, CHANNELS_LAST)
    batch, rows, columns, channels = value.layout.stored
    convolution = read_convolution(node, weight, bias)
    if epilogue.quantization is not None:
        convolution = fill_tiles(convolution, columns)
    pixels = convolution.input_pixels
    source = emitter.reshaped(value.tensor, (batch, rows, columns // pixels, pixels * channels))
    tensor, scheme = padded(emitter, node, source, convolution)
    order, axis = ((1, 2, 3, 0), 3) if convolution.depthwise else ((0, 2, 3, 1), 0)
    filters, biases = weight_and_bias(emitter, node, convolution.weight, convolution.bias, order, axis, value, epilogue)
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
        fusedActivationFunction=ACTIVATIONS[epilogue.clamp],
        **multiplier,
    )
    emitter.finish(node, epilogue, Value(output, layout))


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
