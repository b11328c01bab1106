"""Linear layers with int8 weights as convolutions of one pixel a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.quantized_program import quantize_program
from evit_mobile.quantization import make_plan
from tests.converters.tflite.passes.detected import (
    files,
    graphs,
    matrices_unpacked,
)
from tests.converters.tflite.tflite_helpers import partitions, run
from tests.lowering_helpers import export


@pytest.mark.parametrize("shape", [(1, 12), (1, 5, 12)])
def test_layers_with_int8_weights_are_convolutions(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    program = export(nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 7, bias=False)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, cpu = graphs(program, Precision.INT8_WEIGHTS)
    assert (len(matrices_unpacked(everywhere)), len(matrices_unpacked(cpu))) == (0, 2)
    assert "FULLY_CONNECTED" not in {operation.code for operation in everywhere.operations}
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-6, atol=1e-6)
    assert partitions(ours) == partitions(theirs) == 1
