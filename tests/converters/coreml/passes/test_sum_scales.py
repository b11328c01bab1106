"""One scale of a quantized sum becomes 1, but only where the codes of the other term cannot overflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import ActivationQuantization, Precision, QuantPlan
from converters.coreml import package
from converters.coreml.evaluator import Evaluator
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import FeedForward, export, write
from tests.converters.coreml.int8_packages import X, quantized

FP16_NOISE = 2**-9


class Unequal(nn.Module):
    """A sum of two tensors whose ranges differ by a factor of a thousand."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1000.0 + x.relu()


def unequal() -> ExportedProgram:
    program = export(Unequal(), X)
    scales = {"mul": 20.0, "relu": 0.02, "add": 20.0}
    activations = tuple(
        ActivationQuantization(tensor=name, module="", scale=scale, zero_point=0) for name, scale in scales.items()
    )
    return quantize_program(program, QuantPlan(activations=activations, weights=(), floats=()))


@pytest.mark.usefixtures("every_code")
@pytest.mark.parametrize("safe", [True, False])
@torch.no_grad()
def test_scale_normalisation_of_a_sum_does_not_overflow(
    safe: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stock pass the codes of the wide term are multiplied by 1000 and saturate: the test sees it."""
    if not safe:
        from coremltools import PassPipeline

        monkeypatch.setattr("converters.coreml.passes.pipeline", PassPipeline)
    program = unequal()
    write(program, tmp_path / "p.mlpackage", Precision.INT8)
    expected = program.module(check_guards=False)(X).numpy()
    error = np.abs(Evaluator(tmp_path / "p.mlpackage")(X.numpy()) - expected).max()
    assert bool(error <= 20 + FP16_NOISE * np.abs(expected).max()) is safe


def test_a_sum_of_similar_scales_is_still_normalised(tmp_path: Path) -> None:
    program, _ = quantized(nn.Sequential(FeedForward(6), nn.Conv2d(6, 6, 1)))
    write(program, tmp_path / "p.mlpackage", Precision.INT8)
    written = package.load_function(tmp_path / "p.mlpackage").operations
    scales = [float(op.scale.val) for op in written if op.op_type == "dequantize"]
    assert scales.count(1.0) == 2


@pytest.mark.parametrize(("quotient", "overflows"), [(0.5, False), (255.8, False), (255.9, True), (-300.0, True)])
def test_the_largest_sum_of_codes_has_to_fit_into_fp16(quotient: float, overflows: bool) -> None:
    """255 codes of one term and 255 times the quotient of the other: 255 * 256.88 is the 65504 that fp16 ends at."""
    from converters.coreml.passes.sum_scales import quantized_sum_scale_normalization

    for scales in (np.float32(quotient), np.array([0.1, quotient], np.float32)):
        assert quantized_sum_scale_normalization.overflow_fp16(scales) is overflows
