"""What is missing is said with the command, and other versions are not taken. None of it needs Apple's wheels."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

from converters.coreai import toolchain
from converters.registry import all_formats
from tests.evit_mobile.test_cli import run


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


@pytest.mark.parametrize(
    ("library", "fits"),
    [(("glibc", "2.34"), True), (("glibc", "2.9"), False), (("glibc", "3.0"), True), (("musl", "9.9"), False)],
)
def test_versions_of_the_c_library_are_numbers(
    library: tuple[str, str], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    assert (toolchain.unfit_machine() is None) is fits


def test_a_mac_has_no_glibc_and_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert toolchain.unfit_machine() is None


def test_an_asset_s_makers_are_the_wheels_and_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} 1")
    assert toolchain.versions() == {name: f"{name} 1" for name in ("coreai-core", "coreai-torch", "torch")}
