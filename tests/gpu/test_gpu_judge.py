"""LiteRT's GPU accelerator over lavapipe: what it computes wrongly is caught, and is not in the files that are written.

Opt-in: `make test-gpu`, or `scripts/gpu/prepare.sh FOLDER`, then EVIT_MOBILE_GPU=FOLDER. Shaders are compiled once a folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters import software_driver
from converters.contract import Metadata, Precision
from converters.registry import find_target
from converters.tflite.judges import GpuInSoftware
from converters.tflite.lower import to_bytes
from evit_mobile.findings import Validation, Verdict
from evit_mobile.spec import Task
from evit_mobile.validation.verdict import Terms, judge
from tests.lowering_helpers import export, quantize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(software_driver.missing() is not None, reason="no prepared software GPU driver"),
]
IMAGE = (1, 3, 16, 16)
IMAGES = 32


@pytest.fixture(scope="module")
def grouped() -> ExportedProgram:
    """Few operations, one of them a grouped convolution, in int8."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 1, groups=4))
    x = torch.randn(IMAGE)
    return quantize(export(model, x), x)


def judged(program: ExportedProgram, path: Path, judge_: object, *, cpu_only: bool) -> Validation:
    path.write_bytes(to_bytes(program, Precision.INT8, Metadata(description="a test"), cpu_only=cpu_only))
    images = torch.randn(IMAGES, *IMAGE[1:], generator=torch.Generator().manual_seed(1)).numpy()
    expected = np.concatenate([program.module()(torch.from_numpy(image[None])).numpy() for image in images])
    actual = judge_.load(path)(images)  # type: ignore[attr-defined]  # a Judge or a Target
    terms = Terms(precision=Precision.INT8, task=Task.FEATURES)
    return judge([("reference", expected), ("tflite", actual)], None, judge_.runtime, terms)  # type: ignore[attr-defined]  # as above


def test_a_grouped_int8_convolution_passes_on_the_cpu_and_fails_on_the_gpu(
    grouped: ExportedProgram, tmp_path: Path
) -> None:
    path = tmp_path / "m.tflite"
    left = {name: judged(grouped, path, one, cpu_only=True) for name, one in judges().items()}
    assert {name: found.verdict for name, found in left.items()} == {"cpu": Verdict.PASSED, "gpu": Verdict.FAILED}
    mended = {name: judged(grouped, path, one, cpu_only=False) for name, one in judges().items()}
    assert {found.reason for found in mended.values()} == {"all thresholds met"}
    assert "llvmpipe" in mended["gpu"].runtime


def judges() -> dict[str, object]:
    return {"cpu": find_target("tflite"), "gpu": GpuInSoftware()}
