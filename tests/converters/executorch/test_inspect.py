"""What is inside a file: operations, types, what the delegate took, and what may go wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from converters.contract import Layout, Precision, TensorSpec
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.constant_models import old_file
from tests.converters.executorch.executorch_helpers import content, write
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, export, quantize

containers = Lazily("converters.executorch.container")
inspections = Lazily("converters.executorch.inspect")
lowering = Lazily("converters.executorch.lower")

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
    assert note.startswith("operations that write int8: 11/12 (")
    assert "FullyConnected 1/1" in note


def test_inspect_names_constants_that_may_be_freed(tmp_path: Path) -> None:
    notes = " ".join(TARGET.inspect(write(tmp_path, old_file())).notes)
    assert "1 Add" in notes
    assert "convert the model again" in notes


def test_the_two_ends_are_called_by_number_unless_the_metadata_names_the_output(small: bytes) -> None:
    container = containers.open_container(small)
    inputs, outputs = inspections.tensor_specs(container)
    assert [one.name for one in (*inputs, *outputs)] == ["input_0", "output_0"]
    x = torch.randn(IMAGE)
    extra = {containers.OUTPUT_KEY: "probabilities"}
    named = lowering.to_bytes(export(Small(), x), Precision.FP32, replace(METADATA, extra=extra))
    inputs, outputs = inspections.tensor_specs(containers.open_container(named))
    assert [one.name for one in (*inputs, *outputs)] == ["input_0", "probabilities"]


def test_calls_of_another_backend_count_as_one_operation_each(small: bytes) -> None:
    container = containers.open_container(small)
    assert inspections.kernel_calls(container) == {}
    assert inspections.kernel_calls(container, "VulkanBackend") == {"XnnpackBackend": 1}
