"""From a trained reference to what the targets lower: rewritten, exported, and for int8 quantized.

A target's floats are fp32 or fp16, and some models have a form of their own for fp16. Each form is exported once; calibration images
are read once, and the plan they give is carried over to the other form.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import FloatType, Precision, QuantPlan
from converters.integer_io import with_integer_io
from converters.quantized_program import quantize_program
from converters.traits import ForGpus
from evit_mobile.findings import Protection
from evit_mobile.images.data import Images
from evit_mobile.metrics import Logits, sqnr_db
from evit_mobile.prepare.audit import IMAGES as AUDIT_IMAGES
from evit_mobile.prepare.audit import audit, describe, overflowing
from evit_mobile.prepare.forms import (
    Programs,
    export,
    images_of,
    rewritten,
    rounded,
)
from evit_mobile.prepare.lowerable import Lowerable, Preparation
from evit_mobile.prepare.plans import planned
from evit_mobile.progress import Report
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.simulate import simulated

EXACT_DB = 100.0
"""What an fp32 file's form owes on held-out images, 20 dB above what the file owes. The form for fp16 floors divisors: linear attention of
a token whose query is next to orthogonal to all keys gets zeros there (random b0: 1 of 64 images has 68 dB, the others 110 and more).
"""


def prepare(
    asked: Preparation, report: Report, rounded_like: ExportedProgram | None = None
) -> dict[FloatType, Lowerable]:
    """What targets with each kind of floats lower; the same object where the model has one form for both.

    int8-full has no floats and one form; its program takes and gives int8 unless `float_io`. With fp16, weights are rounded by what they
    multiply in the calibration images, or as those of `rounded_like`, the same model for another input size.
    """
    report("rewriting")
    forms = rewritten(asked)
    if matters(asked) and overflowing(forms[FloatType.FP32], images_of(asked.calibration)):
        asked = replace(asked, overflowing=True)
        forms = rewritten(asked, plain=forms[FloatType.FP32])
    report("exporting")
    spec = asked.reference.spec
    programs: Programs = {form: export(form, spec.size, spec.channels) for form in dict.fromkeys(forms.values())}
    report("running the reference")
    expected = run_module(asked.reference.module, asked.held_out.batches())
    if asked.precision is Precision.FP16:
        report("rounding weights")
        programs = rounded(asked, programs, rounded_like, report)
    plans, protection = planned(asked, forms, programs, expected, report) if asked.precision.quantized else ({}, None)
    lowerables = {
        form: finish(form, program, plans.get(form), protection, expected, asked.held_out, report)
        for form, program in programs.items()
    }
    if asked.precision is Precision.INT8_FULL and not asked.float_io:
        lowerables = {form: replace(one, program=with_integer_io(one.program)) for form, one in lowerables.items()}
    if asked.overflowing:
        lowerables = {form: replace(one, overflowing=True) for form, one in lowerables.items()}
    prepared = {kind: lowerables[form] for kind, form in forms.items()}
    if FloatType.FP16 in prepared:
        prepared[FloatType.FP16] = audited(asked, exact(asked, prepared[FloatType.FP16], report), report)
    return prepared


def matters(asked: Preparation) -> bool:
    """Whether a target's form depends on whether the plain one overflows fp16."""
    return replace(asked, overflowing=True).floats != asked.floats


def exact(asked: Preparation, half: Lowerable, report: Report) -> Lowerable:
    """`half`, or the plain form for a file of fp32 floats that owes more than the form for GPUs gives."""
    if asked.precision is not Precision.FP32 or (found := rewritten_db(half)) >= EXACT_DB:
        return half
    report(
        f"the form whose results fit fp16 is {found:.0f} dB from the reference: the file gets the plain one, as with --cpu-only"
    )
    for_cpus = [target.for_cpus() if isinstance(target, ForGpus) else target for target in asked.targets]
    return prepare(replace(asked, targets=for_cpus), report)[FloatType.FP32]


def rewritten_db(prepared: Lowerable) -> float:
    """SQNR of the rewritten model's logits on the held-out images."""
    logits = dict(prepared.stages)
    return sqnr_db(logits["rewritten"], logits["reference"])


def audited(asked: Preparation, half: Lowerable, report: Report) -> Lowerable:
    """The fp16 form with what fp16 cannot hold of it."""
    found = audit(asked.reference.module, half.program, images_of(asked.calibration)[:AUDIT_IMAGES])
    report(describe(found))
    return replace(half, audit=found)


def finish(
    form: nn.Module,
    program: ExportedProgram,
    plan: QuantPlan | None,
    protection: Protection | None,
    expected: Logits,
    held_out: Images,
    report: Report,
) -> Lowerable:
    """Quantizes the program where there is a plan, and runs every stage on the held-out images; `expected` are the reference's."""
    stages = [("reference", expected), ("rewritten", run_module(form, held_out.batches()))]
    plain = program
    if plan is not None:
        program = quantize_program(program, plan)
        report("running the quantized program")
        batches = ([*torch.from_numpy(batch)[:, None]] for batch in held_out.batches())
        with simulated(plain, plan) as module:
            stages.append(("quantized", np.concatenate([logits_of(module, batch) for batch in batches])))
    return Lowerable(program=program, plain=plain, plan=plan, protection=protection, stages=tuple(stages))


def run_module(module: nn.Module, batches: Iterable[np.ndarray]) -> Logits:
    """Outputs (images, classes) or (images, C, H, W) of a module over batches of images (B, 3, H, W)."""
    with torch.no_grad():
        return np.concatenate([module(torch.from_numpy(batch)).numpy() for batch in batches])
