"""Activations a hundredfold: the audit finds what fp16 cannot hold; on the accelerator the file passes rewritten and overflows plain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from converters import software_driver
from converters.contract import Metadata, Precision, Target
from converters.registry import find_target
from converters.tflite.judges import GpuInSoftware
from converters.traits import ForGpus
from evit_mobile.findings import Validation, Verdict
from evit_mobile.images.data import calibration_images, held_out_images, preprocess_for
from evit_mobile.prepare import forms
from evit_mobile.prepare.lowerable import Lowerable, Preparation, lowered_by
from evit_mobile.prepare.preparation import prepare
from evit_mobile.reference import Reference, load_reference
from evit_mobile.rewrites import rewrite
from evit_mobile.validation.verdict import Terms, judge

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(software_driver.missing() is not None, reason="no prepared software GPU driver"),
]
METADATA = Metadata(description="a test")
GAIN = 100.0


@torch.no_grad()
def loud() -> Reference:
    """The bundled b0 with everything behind its first norm GAIN times as large."""
    reference = load_reference("efficientvit_b0", size=(96, 96))
    norm = reference.module.stem.in_conv.norm  # type: ignore[union-attr]  # MIT's stem
    norm.weight.mul_(GAIN)  # type: ignore[union-attr,operator]  # as above
    norm.bias.mul_(GAIN)  # type: ignore[union-attr,operator]  # as above
    return reference


def preparation(reference: Reference, precision: Precision, target: Target) -> Preparation:
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, 8)
    held_out = held_out_images(None, calibration, preprocess, 0, 32)
    return Preparation(
        reference=reference,
        calibration=calibration,
        held_out=held_out,
        precision=precision,
        targets=[target],
        cache=False,
    )


def lowerable(asked: Preparation) -> Lowerable:
    return lowered_by(asked.targets[0], asked.precision, prepare(asked, lambda _line: None))


def judged(one: Lowerable, precision: Precision, path: Path, images: np.ndarray) -> Validation:
    """Its file for all processors, at `path`, on the accelerator."""
    on_gpu = GpuInSoftware()
    find_target("tflite").lower(one.program, precision, path, METADATA)
    stages = [one.stages[0], ("tflite", on_gpu.load(path)(images))]
    return judge(stages, None, on_gpu.runtime, Terms(precision=precision, floats=on_gpu.floats))


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_activations_a_hundredfold_pass_rewritten_and_fail_without(
    precision: Precision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, path = find_target("tflite"), tmp_path / "m.tflite"
    assert isinstance(target, ForGpus)
    asked = preparation(loud(), precision, target)
    images = asked.held_out.first(32)
    one = lowerable(asked)
    assert one.audit is not None
    assert any("context_module.main" in overflow.module for overflow in one.audit.overflowing)
    found = judged(one, precision, path, images)
    assert (found.verdict, found.reason) == (Verdict.PASSED, "all thresholds met")

    monkeypatch.setattr(forms, "rewrite", lambda module, probe: rewrite(module, probe / GAIN))
    unadapted = lowerable(replace(asked, targets=[target.for_cpus()]))
    failed = judged(unadapted, precision, path, images)
    assert failed.verdict is Verdict.FAILED
    assert failed.sqnr_db < 5
    assert np.isfinite(target.load(path)(images)).all()
