"""Int8 sums and products have operands of one rank."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from converters.contract import Precision
from converters.quantized_program import quantize_program
from evit_mobile.quantization import make_plan
from evit_mobile.rewrites.integer_layer_norm import CentredNorm
from tests.converters.tflite.passes.detected import (
    files,
    graphs,
    unequal,
)
from tests.converters.tflite.tflite_helpers import run
from tests.lowering_helpers import export


class Normed(nn.Module):
    """The norm of a MIT head in integers: it multiplies a vector by a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 16, bias=False)
        self.norm = CentredNorm(nn.LayerNorm(16))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.layer(x))
        return out


def test_int8_products_have_operands_of_one_rank() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 12)
    program = export(Normed(), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_FULL))
    everywhere, cpu = graphs(program, Precision.INT8_FULL)
    assert (len(unequal(everywhere)), len(unequal(cpu))) == (0, 1)
    ours, theirs = files(program, Precision.INT8_FULL)
    np.testing.assert_array_equal(run(ours, x), run(theirs, x))
