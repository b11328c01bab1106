"""A file's two ends: a tensor or an RGB image in, scores or probabilities out."""

from __future__ import annotations

import numpy as np
import torch
from torch.fx import Node

from converters.interface import Normalization
from converters.lowering.ends import COLOURS, PIXEL, Ends, row
from converters.lowering.layout import Layout, channels_last, natural
from converters.lowering.program import result_shape, tensor_quantization
from converters.lowering.translate import output_value
from converters.lowering.values import Quantization, Value
from converters.tflite.emitter import Emitter
from converters.tflite.graph import Activation, DataType, Operation, Padding, Tensor

IMAGE_RANK = 4
PROBABILITY = Quantization(scales=(1 / 256,), zero_point=-128)
"""What LiteRT's int8 SOFTMAX gives, by its specification."""
LARGEST_CODE = 127


def add_input(emitter: Emitter, node: Node) -> None:
    """The model's input: an NCHW image, in the file NHWC; other ranks as they are. Integer where the program's is."""
    layout = stored_layout(result_shape(node))
    if node.meta["val"].dtype is torch.int8:
        quantization = tensor_quantization(next(iter(node.users)))
        tensor = Tensor(name=node.name, shape=layout.stored, dtype=DataType.INT8, quantization=quantization)
    else:
        tensor = Tensor(name=node.name, shape=layout.stored, dtype=DataType.FLOAT32)
    emitter.graph.inputs.append(tensor)
    emitter.bind(node, Value(tensor, layout))


def add_image(emitter: Emitter, node: Node, normalization: Normalization) -> None:
    """An image of 8 bits a channel, (1, H, W, 3) uint8 RGB, normalised to what the program takes: float32, or int8 of an integer one."""
    layout = channels_last(result_shape(node))
    image = Tensor(name=node.name, shape=layout.stored, dtype=DataType.UINT8, quantization=PIXEL)
    emitter.graph.inputs.append(image)
    if node.meta["val"].dtype is torch.int8:
        tensor = normalized_codes(emitter, image, normalization, tensor_quantization(next(iter(node.users))))
    else:
        tensor = normalized(emitter, image, normalization)
    emitter.bind(node, Value(tensor, layout))


def normalized(emitter: Emitter, image: Tensor, normalization: Normalization) -> Tensor:
    """(v / 255 - mean) / std in float32."""
    mean, std = (np.array(values) for values in (normalization.mean, normalization.std))
    tensor = emitter.emit("DEQUANTIZE", [image], image.shape, name=f"{image.name}/real")
    for code, values, role in (("MUL", 1 / std, "scale"), ("ADD", -mean / std, "shift")):
        operand = emitter.constant(row(values, image.shape[2]), name=f"{image.name}/{role}")
        tensor = emitter.emit(
            code,
            [tensor, operand],
            image.shape,
            name=f"{image.name}/{role}d",
            fusedActivationFunction=Activation.NONE,
        )
    return tensor


def normalized_codes(
    emitter: Emitter, image: Tensor, normalization: Normalization, quantization: Quantization
) -> Tensor:
    """The same in integers: a convolution of one pixel and one colour each, with a scale per colour. Its codes are at most one away
    from those of the float arithmetic, in a quarter of a percent of the pixels, where the bias falls between two steps.
    """
    mean, std = (np.array(values) for values in (normalization.mean, normalization.std))
    scales = 1 / (std * LARGEST_CODE)
    steps = np.round(-mean / std / (PIXEL.scale * scales)).astype(np.int32)
    weight = emitter.constant(
        np.full((1, 1, 1, COLOURS), LARGEST_CODE, np.int8),
        name=f"{image.name}/scale",
        quantization=Quantization(scales=tuple(scales.tolist()), axis=3),
    )
    bias = emitter.constant(
        steps, name=f"{image.name}/shift", quantization=Quantization(scales=tuple((PIXEL.scale * scales).tolist()))
    )
    shifted = Quantization(scales=PIXEL.scales, zero_point=-128)
    signed = emitter.emit("QUANTIZE", [image], image.shape, name=f"{image.name}/signed", quantization=shifted)
    return emitter.emit(
        "DEPTHWISE_CONV_2D",
        [signed, weight, bias],
        image.shape,
        name=f"{image.name}/normalized",
        quantization=quantization,
        padding=Padding.VALID,
        strideW=1,
        strideH=1,
        dilationWFactor=1,
        dilationHFactor=1,
        depthMultiplier=1,
        fusedActivationFunction=Activation.NONE,
    )


def add_output(emitter: Emitter, node: Node) -> None:
    """The model's single output, an image as NHWC, other ranks in PyTorch's order; in float32 unless the program's is int8."""
    value = output_value(emitter, node)
    if not is_integer(node):
        value = emitter.dequantized(value)
    layout = stored_layout(value.layout.shape)
    emitter.graph.outputs.append(emitter.stored(emitter.ordered(value, layout.order)))


def add_probabilities(emitter: Emitter, node: Node) -> None:
    """The softmax of the output over its classes, in float32; of a program whose output is int8, in uint8, an app's 0 to 255."""
    value = emitter.innermost(output_value(emitter, node), 1)
    if not emitter.integer_only:
        value = emitter.dequantized(value)
    scores = emitter.stored(value)
    codes = None if value.quantization is None else PROBABILITY
    tensor = emitter.emit("SOFTMAX", [scores], scores.shape, name="softmax", quantization=codes, beta=1.0)
    if is_integer(node):
        tensor = unsigned(emitter, tensor)
    elif codes is not None:
        tensor = emitter.dequantize(tensor)
    emitter.graph.outputs.append(tensor)


def unsigned(emitter: Emitter, tensor: Tensor) -> Tensor:
    """An int8 tensor as uint8: every code 128 higher."""
    assert tensor.quantization is not None
    quantization = Quantization(scales=tensor.quantization.scales, zero_point=tensor.quantization.zero_point + 128)
    output = Tensor(name="unsigned", shape=tensor.shape, dtype=DataType.UINT8, quantization=quantization)
    emitter.graph.operations.append(Operation(code="QUANTIZE", inputs=(tensor,), output=output, options={}))
    return output


def is_integer(node: Node) -> bool:
    """Whether the program's output is int8."""
    return node.all_input_nodes[0].meta["val"].dtype is torch.int8


def stored_layout(shape: tuple[int, ...]) -> Layout:
    """How a tensor of this shape is stored at the file's ends: images with their channels last."""
    return channels_last(shape) if len(shape) == IMAGE_RANK else natural(shape)


ENDS = Ends(tensor=add_input, image=add_image, scores=add_output, probabilities=add_probabilities)
