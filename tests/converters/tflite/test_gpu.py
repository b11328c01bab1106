"""The GPU judge without a driver: what it reads, what it refuses, and how it says so. With one: tests/gpu."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters import software_driver
from converters.contract import FloatType, Precision
from converters.registry import find_target
from converters.tflite import gpu
from converters.tflite.target import TFLiteTarget
from converters.traits import floats_to_fit
from scripts.gpu import variants
from tests.converters.mesa import MESA
from tests.converters.tflite.tflite_helpers import content
from tests.lowering_helpers import export, quantize


def described(version: str = "25.0.7-2", half: str = "true") -> software_driver.Driver:
    return software_driver.read_driver(MESA.format(version=version, half=half))


def test_the_first_device_is_the_driver() -> None:
    driver = described()
    assert driver == software_driver.Driver(
        device="llvmpipe (LLVM 15.0.6, 256 bits)", version="Mesa 25.0.7-2 (LLVM 15.0.6)", half=True
    )
    assert driver.fault() is None
    assert driver.words.endswith("with fp16 shaders")


def test_old_mesa_and_drivers_without_fp16_are_refused_by_name() -> None:
    assert "Mesa 22.3.6 (LLVM 15.0.6), with fp16 shaders: LiteRT's GPU accelerator needs Mesa 25" in str(
        described("22.3.6").fault()
    )
    assert "computes in fp32" in str(described(half="false").fault())


def test_what_is_left_to_the_cpu_is_read_from_the_log() -> None:
    log = [
        "INFO: something",
        "ERROR: Following operations are not supported by GPU delegate:",
        "LOG_SOFTMAX: Operation is not supported.",
        "CUMSUM: Operation is not supported.",
        "1 operations will run on the GPU, and the remaining 2 operations will run on the CPU.",
        "I0000 more",
    ]
    assert gpu.operations_left(log) == log[2:4]
    assert gpu.operations_left(log[:1]) == []
    assert gpu.operations_left([*log, *log]) == log[2:4]


@pytest.mark.parametrize(("int8", "least"), [(False, 80.0), (True, 20.0)])
def test_int8_files_may_be_codes_apart_and_floats_only_in_last_bits(int8: bool, least: float, tmp_path: Path) -> None:
    x = torch.randn(1, 3, 8, 8)
    program = export(nn.Conv2d(3, 4, 1), x)
    path = tmp_path / "m.tflite"
    path.write_bytes(content(quantize(program, x), Precision.INT8) if int8 else content(program))
    assert gpu.least_db(path) == least


def test_sqnr_of_what_is_not_finite_reaches_no_threshold() -> None:
    values = np.array([1.0, 2.0], np.float32)
    assert gpu.sqnr_db(values, values) == np.inf
    assert gpu.sqnr_db(values * np.float32(1.1), values) == pytest.approx(20, abs=0.01)
    for bad in (np.nan, np.inf):
        assert not gpu.sqnr_db(np.array([1.0, bad], np.float32), values) >= 0


def test_float_files_that_gpus_run_have_to_fit_fp16() -> None:
    """Floats of int8 files read codes, which calibration has limited."""
    everywhere, cpu = find_target("tflite"), TFLiteTarget().for_cpus()
    halved = {
        precision for precision in everywhere.precisions if floats_to_fit(everywhere, precision) is FloatType.FP16
    }
    assert halved == {Precision.FP32, Precision.FP16, Precision.INT8_WEIGHTS}
    for target in (cpu, find_target("executorch"), find_target("coreml")):
        for precision, floats in target.precisions.items():
            assert floats_to_fit(target, precision) is floats


def test_the_page_has_the_table_of_what_was_measured() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "gpu.md").read_text("utf-8")
    assert "\n".join(variants.table(variants.read(), variants.VARIANTS)) in page
