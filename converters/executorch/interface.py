"""A file's two ends: a tensor or an RGB image in, scores or probabilities out."""

from __future__ import annotations

import numpy as np
from torch.fx import Node

from converters.errors import ToolchainError
from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Tensor
from converters.interface import Normalization
from converters.lowering.ends import PIXEL, Ends, row
from converters.lowering.layout import channels_last, natural
from converters.lowering.program import result_shape
from converters.lowering.translate import output_value
from converters.lowering.values import Value


def add_input(emitter: Emitter, node: Node) -> None:
    """A float32 input in PyTorch's own order."""
    shape = result_shape(node)
    tensor = Tensor(shape=shape, dtype=DataType.FP32)
    emitter.graph.inputs.append(tensor)
    emitter.bind(node, Value(in_real_type(emitter, tensor), natural(shape)))


def add_image(emitter: Emitter, node: Node, normalization: Normalization) -> None:
    """An image of 8 bits a channel, (1, H, W, 3) uint8 RGB, normalised in float32: the order in which cameras and bitmaps have the
    colours, and in which XNNPACK's convolutions want them.
    """
    layout = channels_last(result_shape(node))
    image = Tensor(shape=layout.stored, dtype=DataType.QUINT8, quantization=PIXEL)
    emitter.graph.inputs.append(image)
    mean, std = (np.array(values) for values in (normalization.mean, normalization.std))
    tensor = Tensor(shape=image.shape, dtype=DataType.FP32)
    emitter.write("Convert", {"input_id": image}, tensor)
    for kind, values in (("Multiply", 1 / std), ("Add", -mean / std)):
        operand = emitter.constant(row(values, image.shape[2]), DataType.FP32)
        result = Tensor(shape=image.shape, dtype=DataType.FP32)
        emitter.write(kind, {"input1_id": tensor, "input2_id": operand}, result)
        tensor = result
    emitter.bind(node, Value(in_real_type(emitter, tensor), layout))


def in_real_type(emitter: Emitter, tensor: Tensor) -> Tensor:
    """A float32 tensor in the type that the operations compute in."""
    if emitter.real is DataType.FP32:
        return tensor
    return emitter.emit("Convert", {"input_id": tensor}, tensor.shape)


def add_output(emitter: Emitter, node: Node) -> None:
    """The single output, in float32 and in PyTorch's own order."""
    write_output(emitter, output_value(emitter, node))


def add_probabilities(emitter: Emitter, node: Node) -> None:
    """The softmax of the single output over its classes, likewise."""
    value = emitter.dequantized(emitter.innermost(output_value(emitter, node), 1))
    scores = emitter.rows(value)
    write_output(emitter, Value(emitter.emit("Softmax", {"input_id": scores}, scores.shape), value.layout))


def write_output(emitter: Emitter, value: Value[Tensor]) -> None:
    """Gives `value` to the program's caller. Raises ToolchainError for a model without operations."""
    layout = natural(value.layout.shape)
    stored = Value(emitter.stored(emitter.ordered(value, layout.order)), layout)
    tensor = emitter.dequantized(stored).tensor
    if tensor in emitter.graph.inputs:
        raise ToolchainError(
            got="a model that returns its input", allowed="a model with operations", do="check the model"
        )
    if emitter.real is not DataType.FP32:
        output = Tensor(shape=tensor.shape, dtype=DataType.FP32)
        emitter.write("Convert", {"input_id": tensor}, output)
        tensor = output
    emitter.graph.outputs.append(tensor)


ENDS = Ends(tensor=add_input, image=add_image, scores=add_output, probabilities=add_probabilities)
