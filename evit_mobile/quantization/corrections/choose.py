"""The corrections, in order, each kept where it helps on images that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule

from converters.contract import QuantPlan
from converters.lifting import exported_again
from converters.quantized_program import graph_module, shared_module
from evit_mobile.metrics import sqnr_db
from evit_mobile.quantization.automatic import logits_of, simulated_logits
from evit_mobile.quantization.corrections.bias import with_corrected_biases
from evit_mobile.quantization.corrections.half_weights import with_half_weights
from evit_mobile.quantization.scales import with_room_for_biases
from evit_mobile.quantization.simulate import simulate_half

CORRECTING = 2 / 3
"""The share of the images that corrections are made with; the others judge."""
CLEAR_DB = 1.0
"""What rounding weights by what they multiply has to gain. Where other errors prevail it changes SQNR by some tenths, up or down from one
dozen images to the next: random b2 loses 1.8 dB on 16 images after 0.9 dB won on 16 others.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A change of a program's plan, by images each (1, 3, H, W). It stays where it raises the SQNR of the logits on other images, or
    always where it is `required`.
    """

    name: str
    correct: Callable[[ExportedProgram, QuantPlan, Sequence[Tensor]], QuantPlan]
    required: bool = False


CORRECTIONS = (
    Correction(name="biases", correct=with_corrected_biases),
    Correction(
        name="weight scales",
        correct=lambda program, plan, _images: with_room_for_biases(shared_module(program), plan),
        required=True,
    ),
)
"""Of int8 plans."""

ROUNDINGS: tuple[tuple[str, Callable[[ExportedProgram, Sequence[Tensor]], GraphModule]], ...] = (
    ("by what they multiply", with_half_weights),
)
"""Of fp16 weights."""


def with_helpful_corrections(
    program: ExportedProgram, plan: QuantPlan, images: Sequence[Tensor], report: Callable[[str], None]
) -> QuantPlan:
    """`plan` with those of CORRECTIONS that are required or help; `images`, each (1, 3, H, W), correct or judge."""
    seen, judges = split(images)
    if not seen:
        return plan
    expected = logits_of(shared_module(program), judges)
    for correction in CORRECTIONS:
        corrected = correction.correct(program, plan, seen)
        if not correction.required:
            before, after = (sqnr_db(simulated_logits(program, one, judges), expected) for one in (plan, corrected))
            if after <= before:
                report(f"{correction.name} stay as they are: corrected, {after:.1f} dB instead of {before:.1f} dB")
                continue
        plan = corrected
    return plan


def with_helpful_rounding(
    program: ExportedProgram, images: Sequence[Tensor], report: Callable[[str], None]
) -> ExportedProgram:
    """`program` with its weights rounded to fp16 by the first of ROUNDINGS that clearly raises the SQNR of the logits in fp16: on the
    images that it was done with and on those that judge.
    """
    parts = split(images)
    if not parts[0]:
        return program
    exact = graph_module(program)
    for name, rounding in ROUNDINGS:
        rounded = rounding(program, parts[0])
        gain = min(gain_db(exact, rounded, part) for part in parts)
        if gain >= CLEAR_DB:
            return exported_again(rounded, program)
        report(f"weights are rounded to the nearest: {name}, SQNR changes by {gain:.1f} dB")
    return program


def gain_db(exact: GraphModule, rounded: GraphModule, images: Sequence[Tensor]) -> float:
    """What rounding in advance adds to the SQNR of the logits that `exact` has in fp16; nan where they overflow."""
    expected = logits_of(exact, images)
    before, after = (sqnr_db(logits_of(simulate_half(each), images), expected) for each in (exact, rounded))
    return after - before


def split(images: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Images to correct with, and images to judge with."""
    count = int(CORRECTING * len(images))
    return images[:count], images[count:]
