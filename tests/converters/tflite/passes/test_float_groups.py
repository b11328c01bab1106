"""Grouped convolutions of floats have float weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.quantized_program import quantize_program
from evit_mobile.quantization import make_plan
from tests.converters.tflite.passes.detected import (
    GROUPED,
    IMAGE,
    files,
    graphs,
    unpacked_groups,
)
from tests.converters.tflite.tflite_helpers import partitions, run
from tests.lowering_helpers import export


@pytest.mark.parametrize("name", ["one pixel", "several pixels"])
def test_grouped_convolutions_with_int8_weights_have_float_ones(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    program = export(nn.Sequential(GROUPED[name], nn.ReLU(), nn.Conv2d(GROUPED[name].out_channels, 8, 1)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, cpu = graphs(program, Precision.INT8_WEIGHTS)
    assert (len(unpacked_groups(everywhere)), len(unpacked_groups(cpu))) == (0, 1)
    assert [one.code for one in everywhere.operations].count("DEQUANTIZE") == 1
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_array_equal(run(ours, x), run(theirs, x))
    assert partitions(ours) == partitions(theirs) == 1
