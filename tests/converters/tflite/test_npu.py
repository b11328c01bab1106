"""Vela as judge: what is integer runs on the NPU, and what is not is named."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from calib.methods import Method
from converters.contract import Precision, QuantPlan
from converters.errors import ToolchainError
from converters.integer_io import with_integer_io
from converters.quantized_program import quantize_program
from converters.tflite import npu
from converters.tflite.lower import to_bytes
from converters.tflite.npu import ACCELERATORS, compile_for_npu
from evit_mobile.quantization import make_plan
from tests.lowering_helpers import METADATA, Apply, export

pytest.importorskip("ethosu")


def attention(x: Tensor, conv: nn.Module) -> Tensor:
    """(1, 12, 8, 8) -> (1, 12, 64): convolution, scores, softmax, values."""
    values = conv(x).flatten(2)
    scores = (values.transpose(1, 2) @ values).softmax(-1)
    return values @ scores.transpose(1, 2)


def written(path: Path, plan_change: object = None) -> Path:
    x = torch.randn(1, 12, 8, 8)
    program = export(Apply(attention, conv=nn.Conv2d(12, 12, 1)), x)
    plan = make_plan(program, [x], profile=Precision.INT8_FULL, method=Method.MIN_MAX)
    if callable(plan_change):
        plan = plan_change(plan)
    program = with_integer_io(quantize_program(program, plan))
    path.write_bytes(to_bytes(program, Precision.INT8_FULL, METADATA))
    return path


def test_every_operation_of_integer_attention_runs_on_both_npus(tmp_path: Path) -> None:
    results = compile_for_npu(written(tmp_path / "model.tflite"))
    assert [result.delegate.split()[0] for result in results] == list(ACCELERATORS)
    for result in results:
        assert result.delegated_ops == result.total_ops > 3
        assert result.fallback == ()


def test_a_softmax_left_in_float_is_named(tmp_path: Path) -> None:
    def float_softmax(plan: QuantPlan) -> QuantPlan:
        kept = tuple(item for item in plan.activations if not item.tensor.startswith(("softmax", "transpose_1")))
        return replace(plan, activations=kept)

    for result in compile_for_npu(written(tmp_path / "model.tflite", float_softmax)):
        reasons = {fallback.op: fallback.reason for fallback in result.fallback}
        assert "Float32" in reasons["SOFTMAX"]
        assert result.delegated_ops < result.total_ops


def test_a_file_that_is_no_model_is_explained(tmp_path: Path) -> None:
    from converters.tflite import npu

    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model")
    with pytest.raises(ToolchainError, match=r"model\.tflite"):
        npu._run_vela(path, ACCELERATORS[0], str(tmp_path))


def test_without_vela_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.tflite.npu.find_spec", lambda _name: None)
    assert compile_for_npu(tmp_path / "not even there.tflite") == ()


def test_reasons_are_read_by_the_name_of_what_an_operation_gives() -> None:
    printed = (
        "Warning (supported operators) operator: SOFTMAX, ofm: 'block/softmax'\n"
        "  Reason: Tensors must be of type: uint8, int8, int16\n"
        "Info: something\n"
        "Warning (supported operators) operator: CUMSUM, ofm: 'a, b'\n Reason: CPU only operator\n"
    )
    assert dict(npu.REASON.findall(printed)) == {
        "block/softmax": "Tensors must be of type: uint8, int8, int16",
        "a, b": "CPU only operator",
    }


def test_a_compiler_that_does_not_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(command: list[str], **_options: object) -> None:
        raise subprocess.TimeoutExpired(command, npu.TIME_LIMIT_S)

    monkeypatch.setattr(npu.subprocess, "run", late)
    with pytest.raises(
        ToolchainError, match=r"m\.tflite, which Vela cannot compile for ethos-u85-256: no result after 600"
    ):
        npu._run_vela(tmp_path / "m.tflite", ACCELERATORS[1], str(tmp_path))
