"""The target as the contract sees it: what it writes and says of it, determinism, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from converters.contract import Artefact, Layout, Precision, TensorSpec
from converters.files import sha256
from converters.interface import TENSORS, Choices, Interface
from converters.registry import find_target
from converters.tflite import target
from converters.tflite.flatbuffer import read_oldest_release
from converters.tflite.structure import read_model
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite.small import IMAGE, METADATA
from tests.converters.tflite.tflite_helpers import content
from tests.lowering_helpers import Apply, export, quantize


def test_the_registry_finds_it() -> None:
    target = find_target("tflite")
    assert (target.name, target.suffix, target.missing()) == ("tflite", ".tflite", None)


def test_lower_writes_what_it_says(artefact: Artefact) -> None:
    assert artefact.bytes == artefact.path.stat().st_size
    assert artefact.sha256 == sha256(artefact.path)
    assert artefact.inputs == (TensorSpec(name="image", shape=(1, 16, 16, 3), dtype="float32", layout=Layout.NHWC),)
    assert artefact.outputs == (TensorSpec(name="logits", shape=(1, 4), dtype="float32"),)
    assert set(artefact.toolchain) == {"ai-edge-litert", "flatbuffers", "torch"}
    assert [path.name for path in artefact.path.parent.iterdir()] == [artefact.path.name], (
        "nothing half-written is left"
    )


def test_the_file_names_the_oldest_runtime(artefact: Artefact) -> None:
    _, tables = read_model(artefact.path)
    (entry,) = (entry for entry in tables.metadata if entry.name == b"min_runtime_version")
    stored = bytes(tables.buffers[entry.buffer].data)
    assert (len(stored), stored.rstrip(b"\0").decode()) == (16, read_oldest_release(tables))
    assert artefact.oldest_runtime == "ai-edge-litert 1.4.0 / tflite-runtime 2.14.0"
    note, *_ = TFLiteTarget().inspect(artefact.path).notes
    assert f"TensorFlow Lite {read_oldest_release(tables)}" in note


@pytest.mark.parametrize("precision", TFLiteTarget.precisions)
def test_the_same_program_gives_the_same_bytes(model: nn.Module, precision: Precision) -> None:
    x = torch.randn(IMAGE, generator=torch.Generator().manual_seed(0))

    def again() -> bytes:
        fresh = export(model, x)
        floats = ("aten.matmul.default", "aten.softmax.int")
        return content(quantize(fresh, x, floats=floats) if precision is Precision.INT8 else fresh, precision)

    assert again() == again()


def test_a_failed_lowering_leaves_nothing(tmp_path: Path) -> None:
    from converters.errors import ToolchainError

    program = export(Apply(lambda x: torch.cumsum(x, 1)), torch.randn(IMAGE))
    with pytest.raises(ToolchainError):
        TFLiteTarget().lower(program, Precision.FP32, tmp_path / "none.tflite", METADATA)
    assert list(tmp_path.iterdir()) == []


def test_every_precision_but_those_of_other_formats() -> None:
    floats = {precision.value: str(kind) for precision, kind in TFLiteTarget.precisions.items()}
    assert floats == {"fp32": "fp32", "fp16": "fp16", "int8": "fp32", "int8-weights": "fp32", "int8-full": "fp32"}


def test_what_is_chosen_is_another_target_and_keeps_the_processor() -> None:
    interface = Interface(classes=True)
    plain = TFLiteTarget()
    chosen = plain.for_cpus().chosen(Choices(interface=interface))
    assert (chosen.interface, chosen.cpu_only) == (interface, True)
    assert (chosen.for_cpus().interface, plain.interface, plain.cpu_only) == (interface, TENSORS, False)


def test_without_litert_it_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "find_spec", lambda _name: None)
    assert TFLiteTarget().missing() == "ai-edge-litert is not installed: pip install 'evit-mobile[tflite]'"
