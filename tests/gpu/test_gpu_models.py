"""The bundled models in every precision on LiteRT's GPU accelerator, at 224 pixels: within what docs/gpu.md says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import evit_mobile
from converters import software_driver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(software_driver.missing() is not None, reason="no prepared software GPU driver"),
]
REQUIRED_DB = {
    ("efficientvit_b0", "int8"): 25.0,
    ("efficientvit_b0", "int8-weights"): 25.0,
    ("efficientvit_b0", "int8-full"): 20.0,
    ("efficientvit_b0", "fp32"): 45.0,
    ("efficientvit_m0", "int8-weights"): 25.0,
}
"""In fp16, the accelerator's default. m0 in other precisions and b0 in fp16 have no operation that these have not."""


@pytest.mark.parametrize(("model", "precision"), REQUIRED_DB)
def test_a_bundled_model_is_right_on_the_accelerator(model: str, precision: str, tmp_path: Path) -> None:
    conversion = evit_mobile.convert(model, formats=["tflite"], precision=precision, on=["gpu"], golden=0, out=tmp_path)
    (entry,) = conversion.manifest.artefacts
    found = entry.validation
    assert (found.on, found.verdict, found.reason) == ("gpu", "passed", "all thresholds met")
    assert found.sqnr_db >= REQUIRED_DB[model, precision]
    assert found.top1_agreement >= 0.98
    assert "fp16 shaders" in found.runtime
    assert "left to the CPU" not in found.runtime
    assert entry.delegation.partitions == 1 or precision == "int8-full"
