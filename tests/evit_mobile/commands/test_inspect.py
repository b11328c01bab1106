"""What a file contains, and when NPU compilers are asked about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from converters.contract import Delegation, Inspection
from converters.errors import ArtefactError, ToolchainError
from converters.tflite.target import TFLiteTarget
from evit_mobile.commands.inspect import inspect, installed_target

NPU = Delegation(delegate="Vela", partitions=1, delegated_ops=9, total_ops=9)


def contents(**dtypes: int) -> Inspection:
    return Inspection(inputs=(), outputs=(), operations={}, dtypes=dtypes, bytes=1, delegation=None)


@pytest.mark.parametrize(
    ("dtypes", "asked"),
    [
        ({"int8": 6, "int32": 5}, True),
        ({"int8": 5, "float32": 5}, False),
        ({"float32": 5}, False),
        ({}, False),
    ],
)
def test_npus_are_asked_where_most_tensors_are_int8(
    dtypes: dict[str, int], asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = contents(**dtypes)
    monkeypatch.setattr(TFLiteTarget, "inspect", lambda *_: found)
    monkeypatch.setattr(TFLiteTarget, "compile_for_npu", lambda *_: (NPU,))
    (tmp_path / "a.tflite").touch()
    assert inspect(str(tmp_path / "a.tflite")) == replace(found, npu=(NPU,) if asked else ())


def test_what_is_no_artefact_or_cannot_be_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtefactError, match="does not exist"):
        inspect(tmp_path / "a.tflite")
    (tmp_path / "a.tflite").touch()
    assert installed_target(tmp_path / "a.tflite").name == "tflite"
    monkeypatch.setattr(TFLiteTarget, "missing", lambda _self: "pip install 'evit-mobile[tflite]'")
    with pytest.raises(ToolchainError, match=r"format tflite without its toolchain.*evit-mobile\[tflite\]"):
        inspect(tmp_path / "a.tflite")
