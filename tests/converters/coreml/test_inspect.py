"""The audit: counts, types, what falls off the Neural Engine and where it comes from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from converters.contract import Inspection, Layout, Precision, TensorSpec
from converters.coreml import toolchain
from converters.coreml.inspect import inspect
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import Attention, FeedForward, Lambda, export, plan, write

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))


def inspected(module: nn.Module, path: Path, precision: Precision = Precision.FP16) -> Inspection:
    program = export(module, X)
    if precision is Precision.INT8:
        program = quantize_program(program, plan(program, X))
    write(program, path / "p.mlpackage", precision)
    return inspect(path / "p.mlpackage")


def test_fp16_program_falls_off_only_at_its_float32_interface(tmp_path: Path) -> None:
    found = inspected(FeedForward(6), tmp_path)
    assert found.operations == {"conv": 3, "add": 2, "cast": 2, "relu": 1}
    assert found.inputs == (TensorSpec(name="image", shape=(1, 6, 5, 5), dtype="float32", layout=Layout.NCHW),)
    assert found.outputs == (TensorSpec(name="logits", shape=(1, 6, 5, 5), dtype="float32", layout=Layout.NCHW),)
    assert found.delegation is not None
    (fallback,) = found.delegation.fallback
    assert (fallback.op, fallback.count) == ("cast", 2)
    assert (found.delegation.delegated_ops, found.delegation.total_ops) == (6, 8)
    assert found.delegation.partitions is None
    assert any("static audit" in note for note in found.notes)


def test_float32_program_falls_off_entirely_and_says_where(tmp_path: Path) -> None:
    found = inspected(nn.Sequential(FeedForward(6)), tmp_path, Precision.FP32)
    assert found.delegation is not None
    assert found.delegation.delegated_ops == 0
    modules = {one.op: one.modules for one in found.delegation.fallback}
    assert modules["conv"] == ("0.dw", "0.pw1", "0.pw2")
    assert set(found.dtypes) == {"float32"}


def test_int8_program_counts_codes_and_knows_modules_after_passes_renamed_them(tmp_path: Path) -> None:
    found = inspected(nn.Sequential(FeedForward(6)), tmp_path, Precision.INT8)
    assert found.operations["quantize"] == 4  # the last sum and its second term are read by floats only
    assert found.dtypes["int8"] + found.dtypes["uint8"] == 4 + 3
    assert any(note.startswith("weights: ") and "of int8" in note for note in found.notes)


def test_attention_is_reported_with_its_layout_changes(tmp_path: Path) -> None:
    found = inspected(nn.Sequential(Attention(6, 4, 25)), tmp_path)
    assert any(note == "attention in 0: 2 matmul, 0 transpose, 4 reshape" for note in found.notes)


def test_five_dimensions_are_a_fallback(tmp_path: Path) -> None:
    found = inspected(Lambda(lambda x: x.view(1, 2, 3, 5, 5).transpose(1, 2).reshape(1, 6, 5, 5)), tmp_path)
    assert found.delegation is not None
    reasons = {one.op: one.reason for one in found.delegation.fallback}
    assert reasons["transpose"].startswith("rank above 4")


def test_reported_kinds_are_a_fallback(tmp_path: Path) -> None:
    """A gather, which our own lowering never writes."""
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    image = mil.Builder.placeholder(shape=(1, 6, 5, 5), dtype=mil.types.fp16, name="image")
    program = mil.Program()
    with mil.Function({"image": image}, opset_version=ct.target.iOS16) as function:
        taken = mil.Builder.gather(x=function.inputs["image"], indices=[0, 2], axis=1, name="a__b__take")
        function.set_outputs([taken])
        program.add_function("main", function)
    with toolchain.no_progress_bars():
        model = ct.convert(program, minimum_deployment_target=ct.target.iOS16, skip_model_load=True)
    model.save(str(tmp_path / "p.mlpackage"))
    found = inspect(tmp_path / "p.mlpackage")
    assert found.delegation is not None
    (fallback,) = [one for one in found.delegation.fallback if one.op == "gather"]
    assert fallback.modules == ("a.b",)
