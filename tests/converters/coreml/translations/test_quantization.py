"""int8 activations and weights in MIL's terms, and what has no such form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from converters.contract import ActivationQuantization, Precision, QuantPlan
from converters.errors import ToolchainError
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import Lambda, export, write
from tests.converters.coreml.int8_packages import X


def test_codes_of_another_range_are_refused(tmp_path: Path) -> None:
    module = Lambda(
        lambda x: torch.ops.quantized_decomposed.dequantize_per_tensor(
            torch.ops.quantized_decomposed.quantize_per_tensor(x, 0.1, 0, -8, 7, torch.int8), 0.1, 0, -8, 7, torch.int8
        )
    )
    with pytest.raises(ToolchainError, match=r"codes -8\.\.7"):
        write(export(module, X), tmp_path / "p.mlpackage", Precision.INT8)


def test_scale_that_fp16_cannot_hold_is_refused(tmp_path: Path) -> None:
    program = export(nn.ReLU(), X)
    tiny = ActivationQuantization(tensor="relu", module="", scale=1e-9, zero_point=0)
    with pytest.raises(ToolchainError, match="scale 1e-09"):
        write(
            quantize_program(program, QuantPlan(activations=(tiny,), weights=(), floats=())),
            tmp_path / "p.mlpackage",
            Precision.INT8,
        )
