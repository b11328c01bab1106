"""Chooses what stays float by measuring: for a floor under every int8 artefact, or for the loss that a user allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Precision, QuantPlan
from converters.quantized_program import shared_module
from evit_mobile.findings import Protection
from evit_mobile.metrics import Logits, sqnr_db
from evit_mobile.quantization.observe import Observations
from evit_mobile.quantization.plan import plan_from
from evit_mobile.quantization.protection import protections
from evit_mobile.quantization.sensitivity import measure_harms
from evit_mobile.quantization.simulate import run_images, simulated
from evit_mobile.quantization.ties import without_ties
from evit_mobile.thresholds import THRESHOLDS

FLOOR_DB = THRESHOLDS[Precision.INT8].min_sqnr_db + 5.0
"""The least SQNR of a default plan on calibration images: the limit of a verdict, and a margin for images not yet seen."""

FLOOR_IMAGES = 32
HARM_IMAGES = 8
STRIDE_DB = 2.0
"""How much better the next plan that is tried must be predicted to be."""

Loss = Callable[[Protection], float]
"""What an artefact with this protection loses, in points of top-1 or of agreement."""


def protect_to_floor(
    program: ExportedProgram,
    observations: Observations,
    images: Sequence[Tensor],
    report: Callable[[str], None],
    *,
    ranked: bool = True,
) -> Protection:
    """The cheapest protection with which the program keeps FLOOR_DB on `images`, each (1, 3, H, W), and where classes are `ranked`
    the largest logit is that of one: mostly none.
    """
    expected = logits_of(shared_module(program), images)

    def quantized(protection: Protection) -> Logits:
        return simulated_logits(program, plan_from(program, observations, protection.protected), images)

    def measured_db(protection: Protection) -> float:
        return sqnr_db(quantized(protection), expected)

    logits = quantized(Protection())
    start = chosen = without_ties(program, logits, report) if ranked else Protection()
    actual_db = measured_db(chosen) if chosen.modules else sqnr_db(logits, expected)
    if actual_db >= FLOOR_DB:
        return chosen
    report(f"int8 keeps {actual_db:.1f} dB: looking for modules to leave float")
    missing_db = None
    harms = measure_harms(program, plan_from(program, observations), images[:HARM_IMAGES])
    for chosen, predicted_db in protections(program, harms, start):
        missing_db = predicted_db - actual_db if missing_db is None else missing_db
        if predicted_db - missing_db < FLOOR_DB:
            continue
        actual_db = measured_db(chosen)
        if actual_db >= FLOOR_DB:
            break
        missing_db = predicted_db - actual_db
    else:
        actual_db = measured_db(chosen)
    report(f"{len(chosen.modules)} modules stay float: {actual_db:.1f} dB")
    return chosen


def protect_to_loss(
    program: ExportedProgram,
    observations: Observations,
    images: Sequence[Tensor],
    loss: Loss,
    allowed: float,
    report: Callable[[str], None],
) -> Protection:
    """The cheapest protection on the path whose artefact loses at most `allowed` points; the best one tried if none does. The path
    starts without ties.

    Plans are tried in strides of STRIDE_DB from the cheapest on; between the last that fails and the first that keeps the
    limit the cheapest is then found by bisection.
    """
    plan = plan_from(program, observations)
    start = without_ties(program, simulated_logits(program, plan, images[:FLOOR_IMAGES]), report)
    harms = measure_harms(program, plan, images[:HARM_IMAGES])
    path = list(protections(program, harms, start))
    losses: dict[int, float] = {}

    def keeps(position: int) -> bool:
        protection, _ = path[position]
        losses[position] = loss(protection)
        report(f"{len(protection.modules)} modules float: loses {losses[position]:.2f} points of {allowed:.2f} allowed")
        return losses[position] <= allowed

    tried_db = -np.inf
    failed, kept = -1, None
    for position, (_, predicted_db) in enumerate(path):
        if predicted_db < tried_db + STRIDE_DB and position < len(path) - 1:
            continue
        tried_db = predicted_db
        if keeps(position):
            kept = position
            break
        failed = position
    if kept is None:
        return path[min(losses, key=lambda position: (losses[position], position))][0]
    while kept - failed > 1:
        middle = (failed + kept) // 2
        failed, kept = (failed, middle) if keeps(middle) else (middle, kept)
    return path[kept][0]


def logits_of(module: nn.Module, images: Sequence[Tensor]) -> Logits:
    """(images, classes) of a program for one image."""
    logits: Logits = run_images(module, images).flatten(0, 1).numpy()
    return logits


def simulated_logits(program: ExportedProgram, plan: QuantPlan, images: Sequence[Tensor]) -> Logits:
    """(images, classes) of a program quantized by a plan."""
    with simulated(program, plan) as module:
        return logits_of(module, images)
