"""What GPUs refuse or compute wrongly is not in the file, which computes the same on the CPU; with `cpu_only` it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from tests.converters.tflite.passes.detected import (
    GROUPED,
    IMAGE,
    files,
    graphs,
    grouped,
    matrices_unpacked,
    unequal,
    unpacked_groups,
)
from tests.converters.tflite.tflite_helpers import run
from tests.lowering_helpers import export, program_of, quantize


def test_what_is_right_on_gpus_stays() -> None:
    x = torch.randn(IMAGE)
    for module in (nn.Conv2d(12, 12, 3, groups=12), nn.Conv2d(12, 24, 3, groups=12), nn.Conv2d(12, 24, 1)):
        program = quantize(export(module, x), x)
        assert files(program, Precision.INT8)[0] == files(program, Precision.INT8)[1]
    program = export(GROUPED["one pixel"], x)
    assert files(program, Precision.FP32)[0] == files(program, Precision.FP32)[1]


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_WEIGHTS, Precision.INT8_FULL])
def test_the_whole_model_has_none_of_them(precision: Precision) -> None:
    torch.manual_seed(0)
    program, x = program_of("efficientvit_b0", 96, precision)
    everywhere, cpu = graphs(program, precision)
    faults = (grouped, unpacked_groups, matrices_unpacked, unequal)
    assert [len(find(everywhere)) for find in faults] == [0, 0, 0, 0]
    found = {Precision.INT8: grouped, Precision.INT8_WEIGHTS: matrices_unpacked, Precision.INT8_FULL: unequal}
    assert found[precision](cpu)
    ours, theirs = files(program, precision)
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-5, atol=1e-5)
