"""Keeps a correction where it helps on images that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import QuantPlan
from converters.quantized_program import graph_module
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.corrections.bias import with_corrected_biases
from evit_mobile.quantization.simulate import simulate
from evit_mobile.validation.metrics import sqnr_db

CORRECTING = 2 / 3
"""The share of the images that biases are corrected with; the others judge."""


def with_helpful_corrections(
    program: ExportedProgram, plan: QuantPlan, images: Sequence[Tensor], report: Callable[[str], None]
) -> QuantPlan:
    """`plan` with its biases corrected if that raises the SQNR of the logits on the images that judge; each (1, 3, H, W)."""
    count = int(CORRECTING * len(images))
    seen, judges = images[:count], images[count:]
    if not seen:
        return plan
    expected = logits_of(graph_module(program), judges)
    corrected = with_corrected_biases(program, plan, seen)
    before, after = (sqnr_db(logits_of(simulate(program, each), judges), expected) for each in (plan, corrected))
    if after <= before:
        report(f"biases stay as they are: corrected, {after:.1f} dB instead of {before:.1f} dB")
        return plan
    return corrected
