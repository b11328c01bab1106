"""Files for one SoC, with a process of the test's own in the compiler's place. With Qualcomm's: tests/qualcomm/test_onnx_compiled.py."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
from converters.onnx import qualcomm
from converters.onnx.file import described, signed
from converters.onnx.qualcomm import OnnxQualcommTarget, compiled_model
from converters.qualcomm import compiler
from converters.qualcomm.socs import find_soc
from tests.converters.onnx.test_compiled import provided
from tests.converters.onnx.test_target import model_of

SOC = find_soc("SM8650")


def worker(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does this instead of compiling; its arguments are source, target and the SoC's number."""
    path = folder / "worker.py"
    path.write_text(f"import pathlib, sys, time\nsource, target, soc = sys.argv[1:]\n{source}\n")
    monkeypatch.setattr(qualcomm, "WORKER", path)


def test_it_is_called_by_its_soc_and_takes_only_integers() -> None:
    target = OnnxQualcommTarget("sm8650")
    assert (target.name, target.suffix) == ("onnx-sm8650", ".sm8650.onnx")
    assert set(target.precisions) == {Precision.INT8, Precision.INT8_FULL, Precision.A16W8}


def test_the_compiler_s_last_words_are_the_error_s(
    onnx: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert onnx
    worker(tmp_path, "print(900 * '.' + 'said'); sys.exit('no GELU for SoC ' + soc)", monkeypatch)
    with pytest.raises(ToolchainError, match="said\nno GELU for SoC 57; allowed") as caught:
        compiled_model(tmp_path / "m.onnx", SOC)
    assert len(caught.value.got) < 600


def test_a_compiler_that_hangs_is_ended_and_told(
    onnx: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert onnx
    monkeypatch.setattr(compiler, "LIMIT_S", 0.2)
    worker(tmp_path, "time.sleep(600)", monkeypatch)
    with pytest.raises(
        ToolchainError, match=r"m\.onnx, which Qualcomm's compiler had not compiled for SM8650 after 0 s"
    ):
        compiled_model(tmp_path / "m.onnx", SOC)


def test_what_is_compiled_takes_what_the_portable_file_did(
    onnx: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portable, path, ready = (tmp_path / name for name in ("m.onnx", "m.sm8650.onnx", "ready"))
    portable.write_bytes(signed(described(model_of(onnx, integer=True), {"description": "a net"})))
    ready.write_bytes(provided(onnx).SerializeToString())
    worker(tmp_path, f"pathlib.Path(target).write_bytes(pathlib.Path({str(ready)!r}).read_bytes())", monkeypatch)
    monkeypatch.setattr("converters.written.version", lambda _name: "1")
    target = OnnxQualcommTarget("SM8650")
    artefact = target.compile(portable, Precision.INT8_FULL, path)
    assert (artefact.format, artefact.soc, artefact.reproducible) == ("onnx-sm8650", "SM8650", False)
    assert (artefact.inputs[0].scale, artefact.inputs[0].zero_point) == (0.5, 3)
    assert target.inspect(path).inputs == artefact.inputs
    with pytest.raises(ArtefactError, match="which is compiled for SM8650; allowed: a file for SM8750"):
        OnnxQualcommTarget("SM8750").inspect(path)
