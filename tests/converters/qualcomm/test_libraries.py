"""Where Qualcomm's libraries are, what is said where they are not, and the stand-in for the one that the wheel lacks."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from converters.errors import ToolchainError
from converters.qualcomm import libraries
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets


def test_without_the_wheel_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda _name: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ToolchainError, match=r"pip install 'evit-mobile\[qualcomm\]'.*licence") as caught:
        usable_targets(ConvertRequest.of(formats=["tflite"], socs=["SM8650"]))
    assert caught.value.exit_code == 3
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "x86-64" in str(libraries.missing())


@pytest.mark.skipif(platform.machine() != "x86_64" or platform.system() != "Linux", reason="a library for x86-64 Linux")
def test_the_stand_in_is_a_library_with_nothing_in_it(tmp_path: Path) -> None:
    path = tmp_path / libraries.ABSENT
    path.write_bytes(libraries.empty_library(libraries.ABSENT))
    library = ctypes.CDLL(str(path))
    with pytest.raises(AttributeError):
        _ = library.QnnInterface_getProviders


def test_what_is_missing_is_named_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(libraries, "find_spec", lambda name: None if name == "onnxruntime_qnn" else object())
    assert str(libraries.missing()).startswith("onnxruntime-qnn not installed: run pip install 'evit-mobile[qualcomm]'")
    monkeypatch.setattr(libraries, "find_spec", lambda _name: object())
    assert libraries.missing() is None
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert "Linux on x86-64 only" in str(libraries.missing())


def test_the_wheel_s_folder_comes_behind_the_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = SimpleNamespace(origin=str(tmp_path / "onnxruntime_qnn" / "__init__.py"))
    monkeypatch.setattr(libraries, "find_spec", lambda name: wheel if name == "onnxruntime_qnn" else None)
    with libraries.search_path() as path:
        first, second = path.split(os.pathsep)
        assert Path(first, libraries.ABSENT).read_bytes()[:4] == b"\x7fELF"
        assert second == str(tmp_path / "onnxruntime_qnn")
    assert not Path(first).exists()


def test_the_sdk_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / f"{libraries.SDK}.py").write_text("def path_to_sdk_libs():\n    return '/the/sdk'\n")
    monkeypatch.syspath_prepend(tmp_path)
    with libraries.search_path() as path:
        assert path == "/the/sdk"


def test_the_stand_in_is_as_long_as_its_header_says() -> None:
    """Of both segments: where they are in the file, and how much is in memory."""
    content = libraries.empty_library("libA.so")
    load, dynamic = (struct.unpack_from("<IIQQQQQQ", content, 64 + 56 * number) for number in (0, 1))
    assert (load[0], load[2], load[5], load[6]) == (1, 0, len(content), len(content))
    assert (dynamic[0], dynamic[2], dynamic[5]) == (2, 64 + 2 * 56, 7 * 16)
    tags = dict(struct.unpack_from("<qQ", content, dynamic[2] + 16 * number) for number in range(7))
    soname, hashes, strings, symbols, length = (tags[tag] for tag in (14, 4, 5, 6, 10))
    assert content[strings : strings + length] == b"\0libA.so\0"
    assert content[strings + soname :] == b"libA.so\0"
    assert struct.unpack_from("<4I", content, hashes) == (1, 1, 0, 0)  # one bucket, of the one symbol that is none
    assert content[symbols:strings] == bytes(24)
