"""The forms of a model that targets execute best, and their exported programs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import FloatType, Precision
from evit_mobile.images.data import Images, affordable
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.progress import Report
from evit_mobile.quantization.corrections.choose import with_helpful_rounding
from evit_mobile.quantization.corrections.half_weights import with_weights_of
from evit_mobile.rewrites import rewrite, rewrite_for_half, rewrite_for_integers

PROBE_IMAGES = 4

INTEGER_PROBE_IMAGES = 16
"""Integer attention also takes its scales from them: b0 has 19.4 dB with 4 images, 22.3 with 16 and 22.5 with 64."""

ROUNDED_IMAGES = 48
"""The most images that weights are rounded to fp16 with."""

Forms = Mapping[FloatType, nn.Module]
"""The rewritten model for each kind of floats; one module for both where they have the same form."""

Programs = Mapping[nn.Module, ExportedProgram]
"""The exported program of each form, the first one's first."""

MEASURED_IMAGES = 96

MEASURED_PIXELS = 32 * 512**2
"""The most images, and the most pixels of all together, that protection and corrections measure with."""


def rewritten(asked: Preparation, plain: nn.Module | None = None) -> Forms:
    """The model in the form that its targets execute best; `plain` is its form for fp32, where that is known already."""
    module, calibration = asked.reference.module, asked.calibration
    if asked.precision is Precision.INT8_FULL:
        return dict.fromkeys(asked.floats, integer_form(module, calibration))
    return deployment_forms(module, torch.from_numpy(calibration.first(PROBE_IMAGES)), asked.floats, plain)


def rounded(asked: Preparation, programs: Programs, like: ExportedProgram | None, report: Report) -> Programs:
    """Every program with the weights that an fp16 file has."""
    images = images_of(asked.calibration)[:ROUNDED_IMAGES]
    return {form: half_program(program, images, like, report) for form, program in programs.items()}


def integer_form(reference: nn.Module, calibration: Images) -> nn.Module:
    """The model rewritten so that every operation exists in int8."""
    return rewrite_for_integers(reference, torch.from_numpy(calibration.first(INTEGER_PROBE_IMAGES)))[0]


def deployment_forms(
    reference: nn.Module, probe: Tensor, floats: Collection[FloatType], plain: nn.Module | None = None
) -> dict[FloatType, nn.Module]:
    """The rewritten model for each kind of floats; one for both where nothing changes for fp16; `plain` as in `rewritten`."""
    plain = rewrite(reference, probe)[0] if plain is None else plain
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
