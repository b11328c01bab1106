"""The int8 plan of every form, and what stays float in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.export import ExportedProgram

from calib.methods import Method
from converters.contract import Precision, QuantPlan
from converters.quantized_program import quantize_program
from evit_mobile.findings import Protection
from evit_mobile.labels import credible_labels
from evit_mobile.metrics import Logits
from evit_mobile.prepare.forms import (
    Forms,
    Programs,
    images_of,
)
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.progress import Report
from evit_mobile.quantization import transfer_plan
from evit_mobile.quantization.automatic import FLOOR_IMAGES, protect_to_floor, protect_to_loss
from evit_mobile.quantization.calibration import calibrate
from evit_mobile.quantization.corrections.choose import with_helpful_corrections
from evit_mobile.quantization.observe import Observations
from evit_mobile.quantization.plan import plan_from
from evit_mobile.spec import Task
from evit_mobile.validation.max_drop import trial_loss

CORRECTED = (Precision.INT8, Precision.INT8_FULL, Precision.A16W8)
"""Profiles whose weights are those of the plan: biases are corrected for what rounding these does."""


def planned(
    asked: Preparation, forms: Forms, programs: Programs, expected: Logits, report: Report
) -> tuple[Mapping[nn.Module, QuantPlan], Protection | None]:
    """The int8 plan of every form, and what stays float in it to keep the accuracy; `expected` is the reference's on held-out images."""
    first = next(iter(programs.values()))
    observations = calibrate(
        first,
        asked.calibration,
        profile=asked.precision,
        method=Method.MIN_MAX if asked.precision is Precision.A16W8 else asked.observer,
        cached=asked.cache,
        report=report,
    )
    images = images_of(asked.calibration) if asked.precision in CORRECTED else []

    def plans_with(trial: Protection) -> dict[nn.Module, QuantPlan]:
        return make_plans(programs, observations, trial, asked.precision, images, report)

    def loss(trial: Protection) -> float:
        plans = plans_with(trial)
        quantized = {form: quantize_program(program, plans[form]) for form, program in programs.items()}
        pairs = [(target, quantized[forms[asked.floats_of(target)]]) for target in asked.targets]
        labels = credible_labels(asked.reference, asked.held_out, expected)
        return trial_loss(pairs, expected, asked.held_out, labels)

    protection = None
    if asked.precision is Precision.INT8 and asked.max_drop is None:
        ranked = asked.reference.spec.task in (Task.CLASSIFICATION, Task.SEGMENTATION)
        protection = protect_to_floor(first, observations, images[:FLOOR_IMAGES], report, ranked=ranked)
    elif asked.precision is Precision.INT8 and asked.max_drop is not None:
        protection = protect_to_loss(first, observations, images, loss, asked.max_drop, report)
    return plans_with(protection or Protection()), protection


def make_plans(
    programs: Mapping[nn.Module, ExportedProgram],
    observations: Observations,
    protection: Protection,
    precision: Precision,
    images: Sequence[Tensor],
    report: Report,
) -> dict[nn.Module, QuantPlan]:
    """A plan for every form, from what was observed of the first; corrected by `images`, where there are any and it helps."""
    (first, program), *others = programs.items()
    protected = protection.protected
    plan = plan_from(program, observations, protected, precision)
    if images:
        plan = with_helpful_corrections(program, plan, images, report)
    return {first: plan, **{form: transfer_plan(plan, program, other, protected) for form, other in others}}
