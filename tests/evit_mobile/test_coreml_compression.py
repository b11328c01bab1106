"""Compressed packages are as small as promised, next to the fp16 package of the same model (docs/coreml.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.contract import Precision
from evit_mobile.images.data import calibration_images, held_out_images, preprocess_for
from evit_mobile.reference import load_reference
from tests.evit_mobile.coreml_package import written

PROMISED = {
    Precision.INT8: 0.55,
    Precision.INT8_WEIGHTS: 0.55,
    Precision.FP16_PALETTE6: 0.45,
    Precision.FP16_PALETTE4: 0.32,
}
IMAGES = 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_share_of_the_fp16_package(name: str, tmp_path: Path) -> None:
    reference = load_reference(name)
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, IMAGES)
    held_out = held_out_images(None, calibration, preprocess, 0, IMAGES)
    sizes = {}
    for precision in (Precision.FP16, *PROMISED):
        artefact, _ = written(reference, calibration, held_out, precision, tmp_path / f"{precision}.mlpackage")
        sizes[precision] = artefact.bytes
    shares = {precision: sizes[precision] / sizes[Precision.FP16] for precision in PROMISED}
    print(name, {str(precision): round(share, 4) for precision, share in shares.items()})
    assert all(shares[precision] <= limit for precision, limit in PROMISED.items()), shares
