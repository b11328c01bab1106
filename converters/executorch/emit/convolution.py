"""Convolutions, float or int8.

Weights: PyTorch (O, I/g, kh, kw) -> Conv2d (O, kh, kw, I/g) or DepthwiseConv2d (1, kh, kw, O).
XNNPACK's half precision convolutions insist on float32 weights, which they round themselves; its fully connected layers take float16
ones. Pointwise convolutions, where most weights are, therefore become fully connected layers there, and the file half as large.
"""

from __future__ import annotations

from torch.fx import Node

from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Tensor
from converters.lowering.convolution import Convolution, by_channels, fill_tiles, read_convolution
from converters.lowering.emit.linear import fully_connected, weight_and_bias, weighted
from converters.lowering.layout import CHANNELS_LAST, channels_last, natural
from converters.lowering.products import constant_parameters
from converters.lowering.program import arguments, result_shape
from converters.lowering.values import Constant, Value


def conv2d(emitter: Emitter, node: Node) -> None:
    """aten.conv2d: (B, C, H, W) -> (B, O, H', W')."""
    named = arguments(node)
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = weighted(emitter, node, named["input"], weight)
    convolution = read_convolution(node, weight, bias)
    layout = channels_last(result_shape(node))
    if emitter.real is DataType.FP16 and is_pointwise(convolution):
        matrix = Constant(weight.value.flatten(1))
        value = emitter.ordered(value, CHANNELS_LAST)
        pixels = Value(value.tensor, value.layout.permuted(CHANNELS_LAST))
        return fully_connected(emitter, node, pixels, matrix, bias, epilogue, layout=layout)
    if epilogue.quantization is not None:
        convolution = fill_tiles(convolution, value.layout.shape[3])
    source, convolution = source_of(emitter, value, convolution)
    order, axis = ((1, 2, 3, 0), 3) if convolution.depthwise else ((0, 2, 3, 1), 0)
    filters, biases = weight_and_bias(emitter, node, convolution.weight, convolution.bias, order, axis, value, epilogue)
    packs = convolution.output_pixels
    (top, bottom), (left, right) = convolution.padding
    _, height, width, outputs = layout.stored
    output = emitter.emit(
        "DepthwiseConv2d" if convolution.depthwise else "Conv2d",
        {"input1_id": source, "filter_id": filters, "bias_id": biases},
        (source.shape[0], height, width // packs, packs * outputs),
        quantization=epilogue.quantization,
        clamp=epilogue.clamp,
        padding_top=top,
        padding_right=right,
        padding_bottom=bottom,
        padding_left=left,
        kernel_height=convolution.kernel[0],
        kernel_width=convolution.kernel[1],
        subsampling_height=convolution.stride[0],
        subsampling_width=convolution.stride[1],
        dilation_height=convolution.dilation[0],
        dilation_width=convolution.dilation[1],
        group_input_channels=convolution.weight.shape[1],
        group_output_channels=convolution.weight.shape[0] // convolution.groups,
        groups=convolution.groups,
        adjustment_height=0,
        adjustment_width=0,
    )
    return emitter.finish(node, epilogue, Value(output, layout))


def source_of(emitter: Emitter, value: Value[Tensor], convolution: Convolution) -> tuple[Tensor, Convolution]:
    """The input as (B, H, W / R, R C) and the convolution that reads it, for packs of R pixels.

    Planes of codes, as an image comes, move a pack at a time: 32 bits in a row in place of 8. Its values then lie channel by channel, and
    so do the weights.
    """
    batch, channels, rows, columns = value.layout.shape
    pack = convolution.input_pixels
    shape = batch, rows, columns // pack, pack * channels
    in_planes = value.layout.order == natural(value.layout.shape).order and not value.layout.same_memory(CHANNELS_LAST)
    if value.quantization is None or pack == 1 or not in_planes:
        return emitter.reshaped(emitter.ordered(value, CHANNELS_LAST).tensor, shape), convolution
    planes = emitter.reshaped(value.tensor, (batch, channels, rows * columns // pack, pack))
    return emitter.reshaped(emitter.transposed(planes, (0, 2, 1, 3)), shape), by_channels(convolution)


def is_pointwise(convolution: Convolution) -> bool:
    """Whether a convolution treats every pixel on its own."""
    padded = any(map(any, convolution.padding))
    return convolution.kernel == convolution.stride == (1, 1) and not padded and convolution.groups == 1
