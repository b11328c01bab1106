"""End to end: the integer-only and the weight-only profile of the bundled models."""

from __future__ import annotations

from pathlib import Path

import pytest

import evit_mobile
from evit_mobile.commands.evaluate import evaluate
from evit_mobile.commands.inspect import inspect
from evit_mobile.errors import UsageError
from evit_mobile.record.plans import read_plan

BUNDLED = ("efficientvit_m0", "efficientvit_b0")
IMAGES = 1000
"""Of the test set's 10,000, to keep the test short; docs/int8.md has the whole set."""


@pytest.mark.slow
@pytest.mark.parametrize("model", BUNDLED)
def test_int8_full_keeps_its_accuracy_and_runs_on_npus(model: str, tmp_path: Path) -> None:
    conversion = evit_mobile.convert(model, precision="int8-full", out=tmp_path)
    (entry,) = conversion.manifest.artefacts
    assert (entry.format, entry.path) == ("tflite", f"{model}.int8-full.tflite")
    assert entry.validation.verdict == "passed"
    assert entry.plan == "plans/int8-full.json"
    plan = read_plan(tmp_path, entry.plan)
    assert (plan.profile, plan.float) == ("int8-full", ())
    (image,), (logits,) = entry.inputs, entry.outputs
    assert image.dtype == logits.dtype == "int8"
    assert image.scale is not None
    assert image.scale > 0
    result = evaluate(tmp_path / entry.path, limit=IMAGES, with_reference=True)
    assert result.reference_top1 is not None
    assert result.top1 >= result.reference_top1 - 1.0
    pytest.importorskip("ethosu")
    assert [npu.delegated_ops == npu.total_ops for npu in entry.npu] == [True, True]
    inspection = inspect(tmp_path / entry.path)
    assert set(inspection.dtypes) == {"int8", "int32"}
    assert [npu.fallback for npu in inspection.npu] == [(), ()]


@pytest.mark.slow
def test_float_io_is_the_same_network(tmp_path: Path) -> None:
    conversion = evit_mobile.convert("efficientvit_m0", precision="int8-full", float_io=True, out=tmp_path)
    (entry,) = conversion.manifest.artefacts
    assert entry.inputs[0].dtype == entry.outputs[0].dtype == "float32"
    assert entry.inputs[0].scale is None
    assert entry.validation.verdict == "passed"
    for npu in entry.npu:
        assert [fallback.op for fallback in npu.fallback] == ["QUANTIZE", "DEQUANTIZE"]


def test_a_format_without_the_profile_is_named() -> None:
    with pytest.raises(UsageError, match="int8-full for format coreml"):
        evit_mobile.convert("efficientvit_m0", precision="int8-full", formats=["tflite", "coreml"])
