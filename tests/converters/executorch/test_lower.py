"""From an exported program to the bytes of a file: the same bytes again, with nothing in them that no output needs."""

from __future__ import annotations

import torch
from torch import nn

from converters.contract import Precision
from tests import lowering_models
from tests.converters.executorch.executorch_helpers import content, kinds
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize

lowering = Lazily("converters.executorch.lower")


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
