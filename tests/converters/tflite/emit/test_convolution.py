"""Convolutions: padding, weights, options, and their numbers in LiteRT."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.contract import Precision
from converters.lowering.layout import channels_last
from converters.lowering.values import Constant, Quantization, Value
from converters.tflite.emit.convolution import conv2d, same_padding
from converters.tflite.emitter import Emitter
from converters.tflite.graph import Activation, Padding
from converters.tflite.lower import to_graph
from tests.converters.tflite.tflite_helpers import computed, counts, stored
from tests.lowering_helpers import export
from tests.lowering_nodes import Nodes


@pytest.mark.parametrize(
    ("conv", "size", "padding", "pads"),
    [
        (nn.Conv2d(3, 4, 3, 1, 1), 8, Padding.SAME, 0),
        (nn.Conv2d(3, 4, 3, 2, 1), 7, Padding.SAME, 0),
        (nn.Conv2d(3, 4, 3, 2, 1), 8, Padding.VALID, 1),
        (nn.Conv2d(3, 4, 3), 8, Padding.VALID, 0),
        (nn.Conv2d(3, 4, 1), 8, Padding.VALID, 0),
        (nn.Conv2d(3, 4, 5, padding=1), 8, Padding.VALID, 1),
    ],
)
def test_padding_is_explicit_only_where_same_would_differ(
    conv: nn.Conv2d, size: int, padding: Padding, pads: int
) -> None:
    graph = to_graph(export(conv, torch.randn(1, 3, size, size)), Precision.FP32)
    assert counts(graph)["PAD"] == pads
    assert graph.operations[-1].options["padding"] is padding


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(1, 1, 1), (2, 1, 1), (3, 1, 2), (3, 2, 1), (5, 3, 1), (1, 2, 1)]
)
def test_same_is_what_litert_pads(size: int, kernel: int, stride: int, dilation: int) -> None:
    emitter, x = Emitter(), stored((1, size, 1, 1))
    emitter.graph.inputs.append(x)
    weight = np.arange(1, kernel + 1, dtype=np.float32).reshape(1, kernel, 1, 1)
    before, after = same_padding(size, kernel, stride, dilation)
    values = torch.arange(1.0, size + 1).view(1, 1, size, 1)
    padded = F.pad(values, (0, 0, before, after))
    expected = F.conv2d(padded, torch.from_numpy(weight).view(1, 1, kernel, 1), None, (stride, 1), 0, (dilation, 1))
    emitter.emit(
        "CONV_2D",
        [x, emitter.constant(weight, name="w"), emitter.constant(np.zeros(1, np.float32), name="b")],
        (1, expected.shape[2], 1, 1),
        name="c",
        padding=Padding.SAME,
        strideH=stride,
        strideW=1,
        dilationHFactor=dilation,
        dilationWFactor=1,
        fusedActivationFunction=Activation.NONE,
    )
    given = computed(emitter.graph, values.permute(0, 2, 3, 1).contiguous().numpy())
    np.testing.assert_allclose(given.reshape(-1), expected.reshape(-1))


LAYERS = {
    "depthwise, two of each": nn.Conv2d(3, 6, 3, padding=1, groups=3),
    "grouped": nn.Conv2d(4, 6, 1, groups=2),
    "uneven": nn.Conv2d(3, 2, (1, 3), (2, 1), (0, 1)),
    "odd padding": nn.Conv2d(3, 2, 3, 2, 1),
    "without bias": nn.Conv2d(3, 2, 2, bias=False),
    "dilated": nn.Conv2d(3, 2, 3, padding=2, dilation=2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_convolution_is_pytorchs(name: str) -> None:
    layer = LAYERS[name].requires_grad_(False)
    x = torch.randn(1, layer.in_channels, 6, 8, generator=torch.Generator().manual_seed(0))
    emitter, nodes = Emitter(), Nodes()
    source, weight, bias = nodes.given(x), nodes.given(layer.weight, "weight"), None
    if layer.bias is not None:
        bias = nodes.given(layer.bias, "bias")
        emitter.bind(bias, Constant(layer.bias))
    tensor = stored((1, 6, 8, layer.in_channels))
    emitter.graph.inputs.append(tensor)
    emitter.bind(source, Value(tensor, channels_last(tuple(x.shape))))
    emitter.bind(weight, Constant(layer.weight))
    geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
    conv2d(emitter, nodes.call("aten.conv2d.default", source, weight, bias, *geometry))
    last = emitter.graph.operations[-1]
    assert last.code == ("DEPTHWISE_CONV_2D" if name.startswith("depthwise") else "CONV_2D")
    assert last.options.get("depthMultiplier", 2) == 2
    given = computed(emitter.graph, x.permute(0, 2, 3, 1).contiguous().numpy()).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(given, layer(x), rtol=1e-4, atol=1e-5)


def test_codes_are_padded_with_the_code_of_zero() -> None:
    """A PAD of its own, 3x3 with stride 2 over an even size."""
    emitter, nodes, weight = Emitter(), Nodes(), torch.ones(16, 8, 3, 3)
    source, matrix = nodes.given(torch.zeros(1, 8, 4, 4)), nodes.given(weight, "weight")
    codes = Quantization(scales=(1.0,), zero_point=5)
    tensor = stored((1, 4, 4, 8), codes)
    emitter.graph.inputs.append(tensor)
    emitter.bind(source, Value(tensor, channels_last((1, 8, 4, 4))))
    emitter.bind(matrix, Constant(weight, weight.to(torch.int8), Quantization(scales=(1.0,) * 16)))
    node = nodes.call("aten.conv2d.default", source, matrix, None, [2, 2], [1, 1])
    nodes.quantize(node, 1.0, -7)
    conv2d(emitter, node)
    assert [operation.code for operation in emitter.graph.operations] == ["PAD", "CONV_2D"]
    assert emitter.graph.operations[0].output.quantization == codes
    given = computed(emitter.graph, np.full((1, 4, 4, 8), 5, np.int8))
    np.testing.assert_array_equal(given, np.full((1, 2, 2, 16), -7, np.int8))
