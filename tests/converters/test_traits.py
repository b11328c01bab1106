"""Which target has what, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters import traits
from converters.contract import Delegation, FloatType, Precision
from converters.registry import find_target
from converters.tflite.target import TFLiteTarget
from converters.traits import compiled_for_npu, floats_to_fit

HAVE = {
    "ForGpus": {"tflite"},
    "NpuCompiler": {"tflite"},
    "ForReleases": {"coreml"},
    "AnswersByName": {"coreml"},
    "HalfAdder": {"coreai"},
    "Choosable": {
        "coreml",
        "coreai",
        "tflite",
        "executorch",
        "executorch-coreml",
        "executorch-vulkan",
        "executorch-vgf",
    },
    "SettingsRunner": {"executorch", "executorch-coreml", "executorch-vulkan", "executorch-vgf"},
    "Compiler": {"tflite-sm8650", "onnx-sm8650"},
    "StepJudge": {"tflite-sm8650", "onnx-sm8650"},
}
ALL = ("coreml", "coreai", "tflite", "executorch", "executorch-coreml", "executorch-vulkan", "executorch-vgf", "onnx")


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
            assert floats_to_fit(target, precision, overflowing=True) is floats


def test_what_overflows_within_its_ranges_has_to_fit_fp16_in_int8_too() -> None:
    everywhere = find_target("tflite")
    assert floats_to_fit(everywhere, Precision.INT8, overflowing=True) is FloatType.FP16
    assert floats_to_fit(everywhere, Precision.INT8_FULL, overflowing=True) is FloatType.FP32  # it has no floats


@pytest.mark.parametrize("trait", HAVE)
def test_who_has_it(trait: str) -> None:
    targets = {name: find_target(name) for name in (*ALL, "tflite-sm8650", "onnx-sm8650")}
    assert {name for name, one in targets.items() if isinstance(one, getattr(traits, trait))} == HAVE[trait]


def test_only_who_has_npu_compilers_is_asked(tmp_path: Path) -> None:
    asked = []

    class Compiling(TFLiteTarget):
        def compile_for_npu(self, path: Path) -> tuple[Delegation, ...]:
            asked.append(path)
            return (Delegation(delegate="an NPU", partitions=1, delegated_ops=2, total_ops=3),)

    (found,) = compiled_for_npu(Compiling(), tmp_path)
    assert (found.delegate, asked) == ("an NPU", [tmp_path])
    assert compiled_for_npu(find_target("coreml"), tmp_path) == ()
