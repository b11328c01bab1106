"""Convolutions and linear layers, float or int8.

Weights: PyTorch (O, I/g, kh, kw) -> Conv2d (O, kh, kw, I/g) or DepthwiseConv2d (1, kh, kw, O); FullyConnected keeps (O, I).
XNNPACK's half precision convolutions insist on float32 weights, which they round themselves; its fully connected layers take float16
ones. Pointwise convolutions, where most weights are, therefore become fully connected layers there, and the file half as large.
"""

from __future__ import annotations

from dataclasses import replace

from torch.fx import Node

from converters.executorch.emitter import Emitter, Epilogue
from converters.executorch.graph import DataType, Tensor
from converters.lowering.convolution import Convolution, fill_tiles, read_convolution
from converters.lowering.layout import CHANNELS_LAST, Layout, channels_last
from converters.lowering.products import constant_parameters, int32_bias
from converters.lowering.program import arguments, result_shape
from converters.lowering.values import Constant, Quantization, Value

MAX_REQUANTIZATION = 256.0
"""XNNPACK refuses an int8 operation whose input scale * weight scale / output scale reaches this."""


def conv2d(emitter: Emitter, node: Node) -> None:
    """aten.conv2d: (B, C, H, W) -> (B, O, H', W')."""
    named = arguments(node)
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = operand(emitter, node, named["input"], weight)
    value = emitter.ordered(value, CHANNELS_LAST)
    convolution = read_convolution(node, weight, bias)
    batch, rows, columns, channels = value.layout.stored
    layout = channels_last(result_shape(node))
    if emitter.real is DataType.FP16 and is_pointwise(convolution):
        matrix = Constant(weight.value.flatten(1))
        pixels = Value(value.tensor, value.layout.permuted(CHANNELS_LAST))
        return fully_connected(emitter, node, pixels, matrix, bias, epilogue, layout=layout)
    if epilogue.quantization is not None:
        convolution = fill_tiles(convolution, columns)
    order, axis = ((1, 2, 3, 0), 3) if convolution.depthwise else ((0, 2, 3, 1), 0)
    parameters = weight_and_bias(emitter, node, convolution.weight, convolution.bias, order, axis, value, epilogue)
    pack, packs = convolution.input_pixels, convolution.output_pixels
    source = emitter.reshaped(value.tensor, (batch, rows, columns // pack, pack * channels))
    (top, bottom), (left, right) = convolution.padding
    _, height, width, outputs = layout.stored
    output = emitter.emit(
        "DepthwiseConv2d" if convolution.depthwise else "Conv2d",
        {"input1_id": source, **parameters},
        (batch, height, width // packs, packs * outputs),
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


def is_pointwise(convolution: Convolution) -> bool:
    """Whether a convolution treats every pixel on its own."""
    padded = any(map(any, convolution.padding))
    return convolution.kernel == convolution.stride == (1, 1) and not padded and convolution.groups == 1


def linear(emitter: Emitter, node: Node) -> None:
    """aten.linear: (..., I) -> (..., O)."""
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = operand(emitter, node, arguments(node)["input"], weight)
    fully_connected(emitter, node, value, weight, bias, epilogue)


def fully_connected(
    emitter: Emitter,
    node: Node,
    value: Value[Tensor],
    weight: Constant,
    bias: Constant | None,
    epilogue: Epilogue,
    layout: Layout | None = None,
) -> None:
    """Writes (..., I) x (O, I) -> (..., O). The leading dimensions may be stored in any order.

    `layout` is that of the result where the node calls its dimensions otherwise.
    """
    value = emitter.innermost(value, len(value.layout.shape) - 1)
    tensor = emitter.rows(value)
    output = emitter.emit(
        "FullyConnected",
        {"input1_id": tensor, **weight_and_bias(emitter, node, weight, bias, (0, 1), 0, value, epilogue)},
        (*tensor.shape[:-1], weight.shape[0]),
        quantization=epilogue.quantization,
        clamp=epilogue.clamp,
    )
    emitter.finish(node, epilogue, Value(output, layout or Layout(result_shape(node), value.layout.order)))


def operand(emitter: Emitter, node: Node, source: Node, weight: Constant) -> tuple[Value[Tensor], Epilogue]:
    """The activation input, and the epilogue: int8 when activation, weight and result are, else float."""
    value = emitter.activation(source)
    epilogue = emitter.epilogue(node, int8=True)
    scales = weight.quantization, value.quantization, epilogue.quantization
    if not requantizable(*scales):
        epilogue = emitter.epilogue(node, int8=False)
    return (value if epilogue.quantization else emitter.dequantized(value)), epilogue


def requantizable(weight: Quantization | None, source: Quantization | None, result: Quantization | None) -> bool:
    """Whether XNNPACK has the int8 operation: all three quantized, per output channel, with scales it can bridge."""
    if weight is None or source is None or result is None or weight.axis != 0:
        return False
    return max(weight.scales) * source.scale / result.scale < MAX_REQUANTIZATION


def weight_and_bias(
    emitter: Emitter,
    node: Node,
    weight: Constant,
    bias: Constant | None,
    order: tuple[int, ...],
    axis: int,
    value: Value[Tensor],
    epilogue: Epilogue,
) -> dict[str, Tensor | None]:
    """The schema's filter and bias, the filter permuted to `order` with its output channels along `axis`.

    An int8 operation's bias is int32 in units of input scale times weight scale.
    """
    if epilogue.quantization is None:
        wide = len(order) == 4
        filters = emitter.parameter(weight.array.transpose(order), node, wide=wide)
        biases = None if bias is None else emitter.parameter(bias.array, node, wide=wide)
        return {"filter_id": filters, "bias_id": biases}
    assert weight.codes is not None
    assert weight.quantization is not None
    assert value.quantization is not None
    codes = weight.codes.numpy().transpose(order)
    filters = emitter.constant(codes, DataType.QCINT8, replace(weight.quantization, axis=axis))
    if bias is None:
        return {"filter_id": filters, "bias_id": None}
    bias_codes, units = int32_bias(bias.array, weight.quantization, value.quantization)
    return {"filter_id": filters, "bias_id": emitter.constant(bias_codes, DataType.QCINT32, units)}
