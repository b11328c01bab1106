"""From an exported program to the bytes of a file: the same bytes again, with nothing in them that no output needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.interface import TENSORS, Interface, Normalization
from tests import lowering_models
from tests.converters.executorch.executorch_helpers import content, kinds
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, Apply, export, quantize

containers = Lazily("converters.executorch.container")
lowering = Lazily("converters.executorch.lower")

IMAGES = Interface(pixels=Normalization(mean=(0.5, 0.25, 0.125), std=(0.5, 0.5, 1.0)))


def test_the_same_program_gives_the_same_bytes() -> None:
    torch.manual_seed(0)
    model, x = Small(), torch.randn(IMAGE)
    for precision in (Precision.FP32, Precision.FP16):
        assert content(export(model, x), precision) == content(export(model, x), precision)
    quantized = (content(quantize(export(model, x), x), Precision.INT8) for _ in range(2))
    assert next(quantized) == next(quantized)


def test_what_is_shared_is_computed_once() -> None:
    model = Apply(lambda x, f, g: f(x) + g(x), f=nn.Conv2d(12, 4, 1), g=nn.Conv2d(12, 4, 1))
    operations = [
        operation.kind
        for operation in lowering.to_graph(export(model, torch.randn(lowering_models.IMAGE)), Precision.FP32).operations
    ]
    assert operations == ["StaticTranspose", "Conv2d", "Conv2d", "Add", "StaticTranspose"]


def test_unread_results_are_dropped() -> None:
    model = Apply(lambda x: x.split([4, 8], 1)[0] + 1)
    assert kinds(content(export(model, torch.randn(lowering_models.IMAGE)))) == {"StaticSlice": 1, "Add": 1}


@pytest.mark.parametrize(
    ("interface", "added"),
    [
        (TENSORS, {}),
        (IMAGES, {"mean": "[0.5, 0.25, 0.125]", "std": "[0.5, 0.5, 1.0]"}),
        (Interface(classes=True), {"output": "probabilities"}),
    ],
    ids=["tensors", "images", "probabilities"],
)
def test_the_file_says_of_its_ends_what_a_reader_needs(interface: Interface, added: dict[str, str]) -> None:
    metadata = replace(METADATA, extra={"key": "value"})
    file = lowering.to_bytes(export(Small(), torch.randn(IMAGE)), Precision.FP32, metadata, interface)
    assert containers.open_container(file).description["extra"] == {"key": "value", **added}
    assert metadata.extra == {"key": "value"}


@pytest.mark.parametrize(
    ("precision", "types"), [(Precision.FP32, {"fp32"}), (Precision.FP16, {"fp16", "fp32"})], ids=["fp32", "fp16"]
)
def test_only_the_ends_of_half_precision_are_float32(precision: Precision, types: set[str]) -> None:
    found = lowering.to_graph(export(nn.Sequential(nn.Tanh(), nn.Sigmoid()), torch.randn(IMAGE)), precision)
    assert {one.output.dtype for one in found.operations} == types
    assert {tensor.dtype for tensor in (*found.inputs, *found.outputs)} == {"fp32"}
