"""From a trained reference to what the targets lower: rewritten, exported, and for int8 quantized.

A target's floats are fp32 or fp16, and some models have a form of their own for fp16. Each form is exported once; calibration images
are read once, and the plan they give is carried over to the other form.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from calib.methods import Method
from converters.contract import FloatType, Precision, QuantPlan, Target
from converters.integer_io import with_integer_io
from converters.quantized_program import quantize_program
from converters.traits import ForGpus, floats_to_fit
from evit_mobile.findings import ActivationAudit, Protection
from evit_mobile.images.data import Images, affordable
from evit_mobile.labels import credible_labels
from evit_mobile.metrics import Logits, sqnr_db
from evit_mobile.prepare.audit import IMAGES as AUDIT_IMAGES
from evit_mobile.prepare.audit import audit, describe
from evit_mobile.progress import Report
from evit_mobile.quantization import transfer_plan
from evit_mobile.quantization.automatic import FLOOR_IMAGES, logits_of, protect_to_floor, protect_to_loss
from evit_mobile.quantization.calibration import calibrate
from evit_mobile.quantization.corrections.choose import with_helpful_corrections, with_helpful_rounding
from evit_mobile.quantization.corrections.half_weights import with_weights_of
from evit_mobile.quantization.observe import Observations
from evit_mobile.quantization.plan import plan_from
from evit_mobile.quantization.simulate import simulate
from evit_mobile.reference import Reference
from evit_mobile.rewrites import rewrite, rewrite_for_half, rewrite_for_integers
from evit_mobile.spec import Task
from evit_mobile.validation.max_drop import trial_loss

PROBE_IMAGES = 4
INTEGER_PROBE_IMAGES = 16
"""Integer attention also takes its scales from them: b0 has 19.4 dB with 4 images, 22.3 with 16 and 22.5 with 64."""

MEASURED_IMAGES = 96
MEASURED_PIXELS = 32 * 512**2
"""The most images, and the most pixels of all together, that protection and corrections measure with."""

ROUNDED_IMAGES = 48
"""The most images that weights are rounded to fp16 with."""

EXACT_DB = 100.0
"""What an fp32 file's form owes on held-out images, 20 dB above what the file owes. The form for fp16 floors divisors: linear attention of
a token whose query is next to orthogonal to all keys gets zeros there (random b0: 1 of 64 images has 68 dB, the others 110 and more).
"""

CORRECTED = (Precision.INT8, Precision.INT8_FULL, Precision.A16W8)
"""Profiles whose weights are those of the plan: biases are corrected for what rounding these does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowerable:
    """The program that the targets lower, and the logits of every stage before them on the held-out images. `plain` is the program
    before it was quantized.
    """

    program: ExportedProgram
    plain: ExportedProgram
    plan: QuantPlan | None
    protection: Protection | None
    stages: tuple[tuple[str, Logits], ...]
    audit: ActivationAudit | None = None

    @property
    def islands(self) -> frozenset[str]:
        """Names of the program's nodes whose results fp16 cannot hold."""
        return frozenset() if self.audit is None else frozenset(peak.operation for peak in self.audit.islands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is prepared, with which images, and for which targets. `max_drop`, `float_io` and `observer` are as in a `ConvertRequest`; with
    `cache`, finished calibrations are kept and reused.
    """

    reference: Reference
    calibration: Images
    held_out: Images
    precision: Precision
    targets: Sequence[Target]
    max_drop: float | None = None
    float_io: bool = False
    cache: bool = True
    observer: Method = Method.MSE

    @property
    def floats(self) -> tuple[FloatType, ...]:
        """What the results of the targets' float operations have to fit."""
        return tuple(dict.fromkeys(floats_to_fit(target, self.precision) for target in self.targets))


Forms = Mapping[FloatType, nn.Module]
"""The rewritten model for each kind of floats; one module for both where they have the same form."""

Programs = Mapping[nn.Module, ExportedProgram]
"""The exported program of each form, the first one's first."""


def prepare(
    asked: Preparation, report: Report, rounded_like: ExportedProgram | None = None
) -> dict[FloatType, Lowerable]:
    """What targets with each kind of floats lower; the same object where the model has one form for both.

    int8-full has no floats and one form; its program takes and gives int8 unless `float_io`. With fp16, weights are rounded by what they
    multiply in the calibration images, or as those of `rounded_like`, the same model for another input size.
    """
    report("rewriting")
    forms = rewritten(asked)
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
    prepared = {kind: lowerables[form] for kind, form in forms.items()}
    if FloatType.FP16 in prepared:
        prepared[FloatType.FP16] = audited(asked, exact(asked, prepared[FloatType.FP16], report), report)
    return prepared


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


def rewritten(asked: Preparation) -> Forms:
    """The model in the form that its targets execute best."""
    module, calibration = asked.reference.module, asked.calibration
    if asked.precision is Precision.INT8_FULL:
        return dict.fromkeys(asked.floats, integer_form(module, calibration))
    return deployment_forms(module, torch.from_numpy(calibration.first(PROBE_IMAGES)), asked.floats)


def rounded(asked: Preparation, programs: Programs, like: ExportedProgram | None, report: Report) -> Programs:
    """Every program with the weights that an fp16 file has."""
    images = images_of(asked.calibration)[:ROUNDED_IMAGES]
    return {form: half_program(program, images, like, report) for form, program in programs.items()}


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
        pairs = [(target, quantized[forms[floats_to_fit(target, asked.precision)]]) for target in asked.targets]
        labels = credible_labels(asked.reference, asked.held_out, expected)
        return trial_loss(pairs, expected, asked.held_out, labels)

    protection = None
    if asked.precision is Precision.INT8 and asked.max_drop is None:
        ranked = asked.reference.spec.task in (Task.CLASSIFICATION, Task.SEGMENTATION)
        protection = protect_to_floor(first, observations, images[:FLOOR_IMAGES], report, ranked=ranked)
    elif asked.precision is Precision.INT8 and asked.max_drop is not None:
        protection = protect_to_loss(first, observations, images, loss, asked.max_drop, report)
    return plans_with(protection or Protection()), protection


def audited(asked: Preparation, half: Lowerable, report: Report) -> Lowerable:
    """The fp16 form with what fp16 cannot hold of it."""
    found = audit(asked.reference.module, half.program, images_of(asked.calibration)[:AUDIT_IMAGES])
    report(describe(found))
    return replace(half, audit=found)


def integer_form(reference: nn.Module, calibration: Images) -> nn.Module:
    """The model rewritten so that every operation exists in int8."""
    return rewrite_for_integers(reference, torch.from_numpy(calibration.first(INTEGER_PROBE_IMAGES)))[0]


def deployment_forms(reference: nn.Module, probe: Tensor, floats: Collection[FloatType]) -> dict[FloatType, nn.Module]:
    """The rewritten model for each kind of floats; one module for both where nothing has to change for fp16."""
    plain, _ = rewrite(reference, probe)
    if FloatType.FP16 not in floats:
        return {FloatType.FP32: plain}
    half, log = rewrite_for_half(plain, probe)
    forms = {FloatType.FP32: plain, FloatType.FP16: half if log.places else plain}
    return {kind: form for kind, form in forms.items() if kind in floats}


def export(module: nn.Module, size: tuple[int, int], channels: int = 3) -> ExportedProgram:
    """`module` as an exported program for one image (1, channels, H, W)."""
    with torch.no_grad():
        return torch.export.export(module, (torch.zeros(1, channels, *size),))


def half_program(
    program: ExportedProgram, images: Sequence[Tensor], like: ExportedProgram | None, report: Report
) -> ExportedProgram:
    """`program` with the weights that an fp16 file has."""
    return with_helpful_rounding(program, images, report) if like is None else with_weights_of(program, like)


def images_of(calibration: Images) -> list[Tensor]:
    """The images that protection and corrections measure with, each (1, 3, H, W): fewer where they are large, since the corrections
    hold the activations of all of them at once.
    """
    count = affordable(MEASURED_IMAGES, MEASURED_PIXELS, math.prod(calibration.preprocess.size))
    return [torch.from_numpy(image) for image in islice(calibration.batches(1), count)]


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
        simulated = simulate(plain, plan)
        batches = ([*torch.from_numpy(batch)[:, None]] for batch in held_out.batches())
        stages.append(("quantized", np.concatenate([logits_of(simulated, batch) for batch in batches])))
    return Lowerable(program=program, plain=plain, plan=plan, protection=protection, stages=tuple(stages))


def run_module(module: nn.Module, batches: Iterable[np.ndarray]) -> Logits:
    """Outputs (images, classes) or (images, C, H, W) of a module over batches of images (B, 3, H, W)."""
    with torch.no_grad():
        return np.concatenate([module(torch.from_numpy(batch)).numpy() for batch in batches])
