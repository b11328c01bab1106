"""Activations a hundredfold: the audit finds what fp16 cannot hold; on the accelerator the file passes rewritten and overflows plain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from converters import software_driver
from converters.contract import FloatType, Metadata, Precision
from converters.registry import find_target
from converters.tflite.judges import GpuInSoftware
from converters.tflite.target import TFLiteTarget
from evit_mobile.findings import Verdict
from evit_mobile.images.data import calibration_images, held_out_images, preprocess_for
from evit_mobile.prepare.forms import export
from evit_mobile.prepare.lowerable import Preparation
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


def test_activations_a_hundredfold_pass_rewritten_and_are_no_numbers_without(tmp_path: Path) -> None:
    reference, target, on_gpu = loud(), find_target("tflite"), GpuInSoftware()
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, 8)
    held_out = held_out_images(None, calibration, preprocess, 0, 32)
    asked = Preparation(
        reference=reference, calibration=calibration, held_out=held_out, precision=Precision.FP32, targets=[target]
    )
    prepared = prepare(asked, lambda _line: None)[FloatType.FP16]
    assert prepared.audit is not None
    assert any("context_module.main" in one.module for one in prepared.audit.overflowing)

    path, images = tmp_path / "m.tflite", held_out.first(32)
    target.lower(prepared.program, Precision.FP32, path, METADATA)
    stages = [("reference", prepared.stages[0][1]), ("tflite", on_gpu.load(path)(images))]
    found = judge(stages, None, on_gpu.runtime, Terms(precision=Precision.FP32, floats=on_gpu.floats))
    assert (found.verdict, found.reason) == (Verdict.PASSED, "all thresholds met")

    unadapted, _ = rewrite(reference.module, torch.from_numpy(images[:4] / GAIN))
    TFLiteTarget(cpu_only=True).lower(export(unadapted, reference.spec.size), Precision.FP32, path, METADATA)
    assert np.isfinite(target.load(path)(images)).all()
    assert not np.isfinite(on_gpu.load(path)(images)).all()
