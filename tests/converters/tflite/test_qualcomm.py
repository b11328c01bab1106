"""Files for Qualcomm's SoCs without its libraries: what is refused before a compiler starts, and how an emulator is fed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

from converters.contract import Artefact, FloatType, Inspection, Precision, TensorSpec
from converters.errors import ArtefactError
from converters.tflite import qualcomm, structure
from converters.tflite.qualcomm import EmulatedInterpreter, QualcommTarget
from converters.tflite.runtime import LiteRTRunner
from converters.tflite.structure import read_model
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite import test_compiled as compiled


@pytest.fixture
def target() -> QualcommTarget:
    return QualcommTarget("SM8650")


def test_it_is_made_of_what_litert_runs(target: QualcommTarget) -> None:
    assert target.made_from == "tflite"
    assert isinstance(target.portable(), TFLiteTarget)
    assert dict(target.precisions) == {Precision.INT8: FloatType.FP32, Precision.INT8_FULL: FloatType.FP32}


def test_a_file_of_another_writer_is_refused_before_it_is_compiled(
    target: QualcommTarget, artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qualcomm, "compiled_bytes", pytest.fail)
    _, model = read_model(artefact.path)
    model.metadata = []
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    portable = tmp_path / "foreign.tflite"
    portable.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError, match=r"foreign\.tflite, which carries no digest.*convert the model"):
        target.compile(portable, Precision.INT8, tmp_path / "out.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.tflite"]


def test_what_the_compiler_gives_is_signed_and_described(
    target: QualcommTarget, artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compiled.content()
    unsigned = whole.replace(structure._digest(whole), structure.UNSIGNED)
    assert unsigned != whole
    monkeypatch.setattr(qualcomm, "compiled_bytes", lambda _portable, _soc: unsigned)
    monkeypatch.setattr(qualcomm.QualcommTarget, "described", lambda _self, path, *rest: (path, *rest))
    path, precision, inspection, packages = target.compile(artefact.path, Precision.INT8, tmp_path / "m.tflite")
    assert path.read_bytes() == whole
    assert (precision, packages[:2]) == (Precision.INT8, ("ai-edge-litert", "onnxruntime-qnn"))
    assert inspection.delegation.delegate == "Hexagon v75 of SM8650"


def test_a_file_for_another_soc_is_not_loaded(target: QualcommTarget, tmp_path: Path) -> None:
    path = compiled.write(tmp_path / "m.tflite", soc="SM8550")
    for use in (target.load, target.inspect):
        with pytest.raises(ArtefactError, match="compiled for SM8550"):
            use(path)


class Doubling:
    """In the emulator's place."""

    def __call__(self, values: np.ndarray) -> list[Any]:
        return [values * 2]


def test_the_runner_feeds_an_emulator_as_it_feeds_litert() -> None:
    def spec(name: str, scale: float) -> TensorSpec:
        return TensorSpec(name=name, shape=(1, 2, 2, 3), dtype="int8", scale=scale, zero_point=1)

    inputs, outputs = (spec("image", 0.5),), (spec("logits", 0.25),)
    ends = Inspection(inputs=inputs, outputs=outputs, operations={}, dtypes={}, bytes=1, delegation=None)
    runner = LiteRTRunner(EmulatedInterpreter(Doubling(), ends))
    images = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / 2
    codes = np.rint(images / 0.5) + 1
    np.testing.assert_array_equal(runner(images), (codes * 2 - 1) * 0.25)


def test_the_log_that_an_error_names_is_told_and_removed(tmp_path: Path) -> None:
    log = tmp_path / "plugin.error"
    log.write_text("x" * 10_000 + " the reason\n")
    told = qualcomm._told(f"Failed to apply plugin, see {log} for more")
    assert told.endswith("x the reason")
    assert len(told) == qualcomm.LAST_WORDS
    assert not log.exists()


@pytest.mark.parametrize("message", ["no word of a log", "see /nowhere/plugin.error"])
def test_an_error_without_a_log_is_told_itself(message: str) -> None:
    assert qualcomm._told(message) == message
