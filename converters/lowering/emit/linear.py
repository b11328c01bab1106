"""Linear layers, and what they share with convolutions: the input's numbers, the weight, the bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch.fx import Node

from converters.lowering.emitter import BaseEmitter, Epilogue
from converters.lowering.layout import Layout
from converters.lowering.products import constant_parameters, int32_bias
from converters.lowering.program import arguments, result_shape, tensor_name
from converters.lowering.values import Constant, T, Value


def linear(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.linear: (..., I) -> (..., O)."""
    weight, bias = constant_parameters(emitter, node)
    value, epilogue = weighted(emitter, node, arguments(node)["input"], weight)
    fully_connected(emitter, node, value, weight, bias, epilogue)


def fully_connected(
    emitter: BaseEmitter[T],
    node: Node,
    value: Value[T],
    weight: Constant,
    bias: Constant | None,
    epilogue: Epilogue,
    layout: Layout | None = None,
) -> None:
    """Writes (..., I) x (O, I) -> (..., O). The leading dimensions may be stored in any order.

    `layout` is that of the result where the node calls its dimensions otherwise.
    """
    value = emitter.innermost(value, len(value.layout.shape) - 1)
    value = Value(emitter.rows(value), value.layout)
    filters, biases = weight_and_bias(emitter, node, weight, bias, (0, 1), 0, value, epilogue)
    output = emitter.write_linear(value, filters, biases, epilogue, name=tensor_name(node))
    emitter.finish(node, epilogue, Value(output, layout or Layout(result_shape(node), value.layout.order)))


def weighted(emitter: BaseEmitter[T], node: Node, source: Node, weight: Constant) -> tuple[Value[T], Epilogue]:
    """A layer's activation input, and its epilogue: int8 when activation, weight and result are, else float."""
    value = emitter.activation(source)
    epilogue = emitter.epilogue(node, int8=True)
    if not emitter.has_int8_layer(weight.quantization, value.quantization, epilogue.quantization):
        epilogue = emitter.epilogue(node, int8=False)
    return (value if epilogue.quantization else emitter.dequantized(value)), epilogue


def weight_and_bias(
    emitter: BaseEmitter[T],
    node: Node,
    weight: Constant,
    bias: Constant | None,
    order: tuple[int, ...],
    axis: int,
    value: Value[T],
    epilogue: Epilogue,
) -> tuple[T, T | None]:
    """The layer's parameters, the weight permuted to `order`, its output channels along `axis`; None where there is no bias.

    An int8 operation's bias is int32 in units of input scale times weight scale.
    """
    biases = np.zeros(weight.shape[0], np.float32) if bias is None and emitter.always_biased else None
    biases = biases if bias is None else bias.array
    if epilogue.quantization is None:
        filters = emitter.float_weight(weight, order, axis, node)
        wide = len(order) == 4
        return filters, None if biases is None else emitter.float_parameter(biases, node, role="bias", wide=wide)
    assert weight.codes is not None
    assert weight.quantization is not None
    assert value.quantization is not None
    codes, scales = weight.codes.numpy().transpose(order), replace(weight.quantization, axis=axis)
    filters = emitter.coded_parameter(codes, scales, node, role="weight")
    if biases is None:
        return filters, None
    bias_codes, units = int32_bias(biases, weight.quantization, value.quantization)
    return filters, emitter.coded_parameter(bias_codes, units, node, role="bias")
