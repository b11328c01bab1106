"""Arm's kernels without Arm: what is looked for, what is started, and with what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.errors import ToolchainError
from converters.tflite import arm
from tests.converters.tflite.test_child import Host


def test_arm_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(arm.VARIABLE, raising=False)
    assert "prepare.sh" in str(arm.missing())
    monkeypatch.setenv(arm.VARIABLE, str(tmp_path))
    assert f"{tmp_path} is no prepared folder" in str(arm.missing())


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose qemu says how it was started, and answers every input with itself."""
    for part in ("root/usr/bin", "site"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "root/usr/bin/python3.11").touch()
    qemu = tmp_path / "qemu-aarch64"
    qemu.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$PYTHONPATH" > {tmp_path}/started\nexec cat\n')
    qemu.chmod(0o755)
    monkeypatch.setenv(arm.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("part", ["qemu-aarch64", "root/usr/bin/python3.11", "site"])
def test_a_folder_without_one_of_its_parts_is_not_prepared(prepared: Path, part: str) -> None:
    assert arm.missing() is None
    (prepared / part).rename(prepared / "elsewhere")
    assert "is no prepared folder: run scripts/arm/prepare.sh" in str(arm.missing())


def test_the_worker_runs_under_qemu_on_the_core_that_is_asked_for(prepared: Path) -> None:
    interpreter = arm.open_on_arm(prepared / "m.tflite", Host(), core="cortex-a53")
    interpreter.set_tensor(0, np.array([[1, 2, 3]], np.int8))
    interpreter.invoke()
    assert interpreter.get_tensor(0).tolist() == [[1, 2, 3]]
    root, python = prepared / "root", prepared / "root/usr/bin/python3.11"
    words = ["-cpu", "cortex-a53", "-L", root, python, "-P", arm.WORKER, prepared / "m.tflite", prepared / "site"]
    assert (prepared / "started").read_text().splitlines() == [str(word) for word in words]


def test_without_a_prepared_folder_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(arm.VARIABLE, raising=False)
    with pytest.raises(ToolchainError, match=r"got no Arm kernels.*run scripts/arm/prepare\.sh FOLDER"):
        arm.open_on_arm(tmp_path / "m.tflite", Host())
