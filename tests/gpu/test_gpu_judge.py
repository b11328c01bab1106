"""LiteRT's GPU accelerator over lavapipe: what it computes wrongly is caught, and is not in the files that are written.

Opt-in: `make test-gpu`, or `scripts/gpu/prepare.sh FOLDER`, then EVIT_MOBILE_GPU=FOLDER. Shaders are compiled once a folder.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters import software_driver
from converters.contract import Precision
from converters.quantized_program import quantize_program
from converters.registry import find_target
from converters.tflite import passes
from converters.tflite.gpu import sqnr_db
from converters.tflite.judges import GpuInSoftware
from converters.tflite.lower import to_bytes
from converters.tflite.passes.outputs_in_fours import outputs_in_fours
from evit_mobile.findings import Validation, Verdict
from evit_mobile.quantization import make_plan
from evit_mobile.spec import Task
from evit_mobile.validation.verdict import Terms, judge
from tests.lowering_helpers import METADATA, export, quantize

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
    path.write_bytes(to_bytes(program, Precision.INT8, METADATA, cpu_only=cpu_only))
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


def test_a_layer_of_ten_outputs_with_int8_weights_adds_up_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left with ten, one fp16 number takes up all 768 products of an output; here the positive ones come first."""
    torch.manual_seed(0)
    layer, images = nn.Linear(math.prod(IMAGE), 10), torch.rand(IMAGES, *IMAGE[1:])
    layer.weight.data = layer.weight.data.sort(descending=True).values
    program = export(nn.Sequential(nn.Flatten(), layer), images[:1])
    program = quantize_program(program, make_plan(program, [images[:1]], profile=Precision.INT8_WEIGHTS))
    expected = np.concatenate([program.module()(image[None]).numpy() for image in images])

    def kept_db(name: str) -> float:
        path = tmp_path / name
        path.write_bytes(to_bytes(program, Precision.INT8_WEIGHTS, METADATA))
        return sqnr_db(GpuInSoftware().load(path)(images.numpy()), expected)

    assert kept_db("m.tflite") > 45
    monkeypatch.setattr(passes, "PASSES", tuple(one for one in passes.PASSES if one is not outputs_in_fours))
    assert kept_db("planted.tflite") < 35


def judges() -> dict[str, object]:
    return {"cpu": find_target("tflite"), "gpu": GpuInSoftware()}
