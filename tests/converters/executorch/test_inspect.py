"""What is inside a file: operations, types, what the delegate took and what it left, also in files of other writers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from converters.contract import Layout, Precision, TensorSpec
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.constant_models import old_file
from tests.converters.executorch.executorch_helpers import content, write
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lowering_helpers import export, quantize

TARGET = ExecuTorchTarget()


def test_the_file_has_one_delegate_and_nothing_else(small: bytes, tmp_path: Path) -> None:
    inspection = TARGET.inspect(write(tmp_path, small))
    delegation = inspection.delegation
    assert delegation is not None
    assert (delegation.delegate, delegation.partitions, delegation.fallback) == ("XNNPACK", 1, ())
    assert delegation.delegated_ops == delegation.total_ops == sum(inspection.operations.values()) == 8
    assert inspection.operations["Conv2d"] == 1
    assert inspection.inputs == (TensorSpec(name="input_0", shape=IMAGE, dtype="float32", layout=Layout.NCHW),)
    assert inspection.outputs == (TensorSpec(name="output_0", shape=(1, 5), dtype="float32"),)
    assert inspection.bytes == len(small)
    assert set(inspection.dtypes) == {"float32"}
    assert inspection.notes == ()


def test_int8_files_say_what_is_int8(tmp_path: Path) -> None:
    x = torch.randn(IMAGE)
    file = content(quantize(export(Small(), x), x), Precision.INT8)
    inspection = TARGET.inspect(write(tmp_path, file))
    assert {"int8", "int32", "float32"} == set(inspection.dtypes)
    (note,) = inspection.notes
    assert note.startswith("operations that write int8: 9/11 (")
    assert "FullyConnected 1/1" in note


def test_operations_outside_the_delegate_are_named(stock: tuple[nn.Module, Path]) -> None:
    inspection = TARGET.inspect(stock[1])
    delegation = inspection.delegation
    assert delegation is not None
    assert delegation.partitions == 2
    assert [(fallback.op, fallback.count) for fallback in delegation.fallback] == [("aten::cumsum.out", 1)]
    assert delegation.total_ops == delegation.delegated_ops + 1
    assert inspection.operations["aten::cumsum.out"] == 1


def test_inspect_names_constants_that_may_be_freed(tmp_path: Path) -> None:
    notes = " ".join(TARGET.inspect(write(tmp_path, old_file())).notes)
    assert "1 Add" in notes
    assert "convert the model again" in notes
