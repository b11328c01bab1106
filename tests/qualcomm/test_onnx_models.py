"""Whole models as ONNX files: ONNX Runtime's CPU and Qualcomm's emulator of them give what the reference does. Skipped without the wheel.

m0 and b0 at 96x96 with their bundled weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.contract import Metadata, Precision
from converters.onnx.qualcomm import OnnxQualcommTarget
from converters.onnx.target import OnnxTarget
from converters.qualcomm import libraries
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.prepare.preparation import prepare
from evit_mobile.reference import load_reference
from tests.qualcomm.planted import images_of

pytestmark = [pytest.mark.skipif(libraries.missing() is not None, reason=str(libraries.missing())), pytest.mark.slow]

SIZE, IMAGES = (96, 96), 8


@pytest.mark.parametrize(
    ("model", "precision", "required_db"),
    [
        ("efficientvit_m0", Precision.INT8, 20),
        ("efficientvit_m0", Precision.INT8_FULL, 20),
        ("efficientvit_m0", Precision.A16W8, 33),
        ("efficientvit_b0", Precision.INT8, 20),
    ],
)
def test_a_model_is_right_on_the_cpu_and_compiled(
    model: str, precision: Precision, required_db: float, tmp_path: Path
) -> None:
    reference = load_reference(model, weights="bundled", size=SIZE)
    calibration, held_out = images_of(reference)
    asked = Preparation(
        reference=reference,
        calibration=calibration,
        held_out=held_out.limited(IMAGES),
        precision=precision,
        targets=[OnnxTarget()],
    )
    (lowerable,) = prepare(asked, lambda _: None).values()
    images, expected = np.concatenate(list(asked.held_out.batches())), lowerable.stages[0][1]
    portable, target = tmp_path / "m.onnx", OnnxQualcommTarget("SM8650")
    OnnxTarget().lower(lowerable.program, precision, portable, Metadata(description="test"))
    assert sqnr_db(OnnxTarget().load(portable)(images), expected) > required_db
    path = tmp_path / f"m{target.suffix}"
    target.compile(portable, precision, path)
    assert sqnr_db(target.load(path)(images), expected) > required_db
