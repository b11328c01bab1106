"""Assets are checked by us before Apple's code sees them, and what is missing is said: none of it needs Apple's wheels."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from converters.coreai import package, runtime, toolchain
from converters.coreai.inspect import inspect
from converters.errors import ArtefactError
from converters.registry import all_formats
from tests.evit_mobile.test_cli import run


@pytest.fixture
def asset(tmp_path: Path) -> Path:
    """A folder that looks like an asset. Its program is none, which only Core AI could tell."""
    path = tmp_path / "a.aimodel"
    path.mkdir()
    (path / package.PROGRAM).write_bytes(package.MAGIC + bytes(100))
    (path / package.HASH).write_bytes(hashlib.sha256(package.MAGIC + bytes(100)).digest())
    (path / package.METADATA).write_text(json.dumps({"assetVersion": "2.0", package.OWN: {"labels": ["a"]}}))
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


FAULTS: dict[str, Callable[[Path], object]] = {
    "a bit of the program": lambda path: flip(path / package.PROGRAM),
    "a bit of the hash": lambda path: flip(path / package.HASH),
    "a program cut short": lambda path: os.truncate(path / package.PROGRAM, 60),
    "no program": lambda path: (path / package.PROGRAM).unlink(),
    "another kind of program": lambda path: (path / package.PROGRAM).write_bytes(b"bitcode"),
    "a foreign member": lambda path: (path / "main-universal.odix").touch(),
    "metadata that is no JSON": lambda path: (path / package.METADATA).write_text("{"),
    "metadata of a list": lambda path: (path / package.METADATA).write_text("[]"),
    "metadata of another version": lambda path: (path / package.METADATA).write_text('{"assetVersion": "3.0"}'),
    "own metadata that is no object": lambda path: (path / package.METADATA).write_text(
        json.dumps({"assetVersion": "2.0", package.OWN: "x"})
    ),
}


def test_a_sound_asset_is_read(asset: Path) -> None:
    assert package.read(asset).own == {"labels": ["a"]}


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_is_refused_before_outside_code_sees_it(
    fault: str, asset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("converters.coreai.child.subprocess.Popen", never)
    FAULTS[fault](asset)
    for reader in (runtime.load, inspect):
        with pytest.raises(ArtefactError, match=r"a\.aimodel"):
            reader(asset)


def test_a_machine_that_is_too_old_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    assert "needs glibc 2.34, this system has glibc 2.31" in str(toolchain.missing())
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert "another C library" in str(toolchain.missing())
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    assert "no wheel for Python" in str(toolchain.missing())


def test_another_version_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "1.0.0b4")
    assert "coreai-core 1.0.0b4" in str(toolchain.missing())
    monkeypatch.setattr(metadata, "version", lambda name: toolchain.PINNED[name])
    assert toolchain.missing() is None


def test_without_the_wheels_it_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert "coreai" not in all_formats()
    assert run(monkeypatch, "convert", "--format", "coreai", "--fp32", "--out", str(tmp_path / "out")) == 3
    assert "pip install 'evit-mobile[coreai]'" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_all_formats_means_it_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: toolchain.PINNED[name])
    assert "coreai" in all_formats()
