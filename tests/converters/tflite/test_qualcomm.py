"""Files for Qualcomm's SoCs without its libraries: what is refused before a compiler starts, and how an emulator is fed."""

from __future__ import annotations

import ast
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.aot.core import common

from converters.contract import Artefact, FloatType, Inspection, Precision, TensorSpec
from converters.errors import ArtefactError, ToolchainError
from converters.qualcomm import compiler, libraries
from converters.qualcomm.socs import find_soc
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


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of the test's own in the place of LiteRT's compiler, to be written."""
    path = tmp_path / "tool"
    path.touch(0o755)
    monkeypatch.setattr(
        common, "get_resource", lambda name: path if name == qualcomm.TOOL else tmp_path / "plugin" / name
    )
    monkeypatch.setattr(common, "construct_ld_library_path", lambda: "/litert")
    monkeypatch.setattr(libraries, "search_path", lambda: nullcontext("/qualcomm"))
    return path


def test_the_compiler_is_told_the_soc_and_where_libraries_are(tool: Path, tmp_path: Path) -> None:
    code = "import os, sys\nflags = dict(one.lstrip('-').split('=', 1) for one in sys.argv[1:])"
    tool.write_text(
        f"#!{sys.executable}\n{code}\nopen(flags['o'], 'w').write(repr((flags, os.environ['LD_LIBRARY_PATH'])))"
    )
    flags, search_path = ast.literal_eval(qualcomm.compiled_bytes(tmp_path / "m.tflite", find_soc("SM8650")).decode())
    assert (flags["cmd"], flags["model"]) == ("apply", str(tmp_path / "m.tflite"))
    assert (flags["soc_manufacturer"], flags["soc_model"]) == ("Qualcomm", "SM8650")
    assert Path(flags["libs"]).is_relative_to(tmp_path / "plugin")
    assert search_path == "/qualcomm:/litert"


def test_a_compiler_that_hangs_is_ended_and_told(tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "LIMIT_S", 0.5)
    tool.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)")
    with pytest.raises(ToolchainError, match=r"m\.tflite, which Qualcomm's compiler had not compiled for SM8650 after"):
        qualcomm.compiled_bytes(tmp_path / "m.tflite", find_soc("SM8650"))


def test_a_file_that_the_compiler_does_not_take_is_refused_with_its_words(tool: Path, tmp_path: Path) -> None:
    tool.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no GELU')")
    with pytest.raises(ToolchainError, match=r"m\.tflite, which Qualcomm's compiler does not take for SM8350: no GELU"):
        qualcomm.compiled_bytes(tmp_path / "m.tflite", find_soc("SM8350"))
