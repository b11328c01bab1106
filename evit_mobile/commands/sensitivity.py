"""`evit-mobile sensitivity`: which modules of a model int8 harms most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converters.contract import Precision
from converters.misspelt import did_you_mean
from evit_mobile.commands.convert import choose_images, requested_reference
from evit_mobile.errors import UsageError
from evit_mobile.images.preprocessing import OPTIONS
from evit_mobile.labels import open_images
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.forms import PROBE_IMAGES, export
from evit_mobile.progress import Report, silent
from evit_mobile.quantization.automatic import HARM_IMAGES, logits_of, simulated_logits
from evit_mobile.quantization.calibration import calibrate
from evit_mobile.quantization.plan import plan_from
from evit_mobile.quantization.sensitivity import ModuleHarm, measure_harms, predicted_sqnr_db, rank_modules
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import check_images
from evit_mobile.rewrites import rewrite
from evit_mobile.spec import ModelSpec

PLOT_SUFFIXES = (".svg", ".png", ".pdf")
PLOTTED_MODULES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The modules of a model, the most harmful first, and the SQNR in dB of the whole int8 plan: predicted from them, and
    measured by running it on the same calibration images. `notes` say what a user should know of these.
    """

    model: str
    weights: str
    images: int
    predicted_sqnr_db: float
    measured_sqnr_db: float
    modules: Sequence[ModuleHarm]
    notes: tuple[str, ...] = ()


FIELDS = ("weights", "size", "num_classes", "labels", "calib", "observer", "seed", "cache", "preprocess", *OPTIONS)
"""What of a request counts here."""


def sensitivity(
    model: str | ModelSpec | nn.Module | None = None, *, report: Report = silent, **options: Any
) -> Sensitivity:
    """Ranks the modules of `model`, given as to `convert`, by the harm of quantizing each. Raises the same errors.

    `options` are those FIELDS of `ConvertRequest`.
    """
    if unknown := sorted(options.keys() - set(FIELDS)):
        do = did_you_mean(unknown[0], FIELDS, "leave it out")
        raise UsageError(got=f"sensitivity with {', '.join(unknown)}", allowed=", ".join(FIELDS), do=do)
    request = ConvertRequest.of(model, **options)
    reference = requested_reference(request)
    check_images(reference, request.calib, Precision.INT8)
    reference, source = open_images(reference, None if request.calib is None else Path(request.calib))
    calibration, _ = choose_images(reference, source, request.seed)
    rewritten, _ = rewrite(reference.module, torch.from_numpy(calibration.first(PROBE_IMAGES)))
    program = export(rewritten, reference.spec.size, reference.spec.channels)
    observations = calibrate(program, calibration, method=request.observer, cached=request.cache, report=report)
    plan = plan_from(program, observations)
    images = [torch.from_numpy(image[None]) for image in calibration.first(HARM_IMAGES)]
    report(f"measuring harm on {len(images)} images")
    harms = measure_harms(program, plan, images)
    return Sensitivity(
        model=reference.spec.name,
        weights=reference.weights,
        images=len(images),
        predicted_sqnr_db=predicted_sqnr_db(harms, plan),
        measured_sqnr_db=sqnr_db(simulated_logits(program, plan, images), logits_of(rewritten, images)),
        modules=rank_modules(harms),
        notes=calibration.dataset.notes,
    )


def check_plot(path: Path) -> None:
    """Raises UsageError for a suffix that is not drawn; better now than after the work."""
    if path.suffix not in PLOT_SUFFIXES:
        raise UsageError(
            got=f"--plot {path}", allowed=f"a name ending in {', '.join(PLOT_SUFFIXES)}", do="rename the file"
        )


def plot(result: Sensitivity, path: Path) -> None:
    """Draws the most harmful modules into an image file. Raises as `check_plot` does."""
    check_plot(path)
    from matplotlib.figure import Figure

    rows = result.modules[:PLOTTED_MODULES][::-1]
    figure = Figure(figsize=(8, 1 + 0.2 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.barh([row.module or "(top)" for row in rows], [100 * row.share for row in rows])
    axes.set_xlabel("share of the noise in the logits (%)")
    axes.set_title(f"{result.model}, int8: {result.measured_sqnr_db:.1f} dB")
    axes.tick_params(axis="y", labelsize=6)
    figure.savefig(path)
