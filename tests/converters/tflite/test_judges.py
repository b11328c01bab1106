"""What judges a file beside LiteRT on the CPU: what each needs, and what it says of what it ran."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import software_driver
from converters.contract import Artefact
from converters.errors import ArtefactError, ToolchainError
from converters.tflite import arm, gpu, judges
from converters.tflite.judges import GpuInSoftware
from converters.tflite.runtime import load_runner
from tests.converters.mesa import MESA
from tests.converters.tflite.small import IMAGE


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose vulkaninfo prints what is in the file `answer`."""
    monkeypatch.setenv(software_driver.VARIABLE, str(tmp_path))
    tool = tmp_path / software_driver.TOOL
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    tool.chmod(0o755)
    return tmp_path


def test_what_the_judge_says_of_its_driver(prepared: Path) -> None:
    (prepared / "answer").write_text(MESA.format(version="25.0.7-2", half="true"))
    assert GpuInSoftware().missing() is None
    assert GpuInSoftware().runtime == (
        "LiteRT's GPU accelerator over a software driver; llvmpipe (LLVM 15.0.6, 256 bits), Mesa 25.0.7-2 (LLVM 15.0.6), "
        "with fp16 shaders; floats are fp16"
    )
    (prepared / "answer").write_text(MESA.format(version="22.3.6", half="true"))
    assert "needs Mesa 25: run scripts/gpu/prepare.sh" in str(GpuInSoftware().missing())
    (prepared / "answer").write_text("ERROR: no drivers")
    assert "no device from vulkaninfo" in str(GpuInSoftware().missing())


def test_without_a_driver_it_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(software_driver.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    judge = GpuInSoftware()
    assert f"no software GPU driver in {tmp_path}/.tools/gpu: run scripts/gpu/prepare.sh .tools/gpu" in str(
        judge.missing()
    )
    assert judge.runtime == "LiteRT's GPU accelerator over a software driver"
    with pytest.raises(ToolchainError, match=r"prepare\.sh"):
        gpu.open_on_gpu(tmp_path / "m.tflite", None, judge.floats)


def test_what_only_compiles_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from converters.contract import Delegation
    from converters.errors import NoRuntimeError
    from converters.tflite import npu

    taken = Delegation(delegate="ethos-u55-256", partitions=1, delegated_ops=7, total_ops=9)
    monkeypatch.setattr(npu, "compile_for_npu", lambda _path: (taken,))
    with pytest.raises(NoRuntimeError, match="ethos-u55-256 takes 7 of 9 operations"):
        judges.Vela().load(tmp_path / "a.tflite")


def test_those_that_are_not_there_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "find_spec", lambda _name: None)
    assert "pip install 'evit-mobile[vela]'" in str(judges.Vela().missing())
    monkeypatch.setattr(judges, "find_spec", lambda name: name)
    assert judges.Vela().missing() is None
    monkeypatch.setenv(arm.VARIABLE, os.devnull)
    assert judges.ArmInQemu().missing() == arm.missing()


class Accelerator:
    """In the accelerator's place: this machine's interpreter, `noise` beside its outputs."""

    def __init__(self, host: Any, noise: float, left: list[str]) -> None:
        self._host, self._noise, self._left = host, noise, left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def get_tensor(self, index: int) -> np.ndarray:
        return self._host.get_tensor(index) + np.float32(self._noise)

    def left_to_cpu(self) -> list[str]:
        return self._left


def accelerated(monkeypatch: pytest.MonkeyPatch, noise: float = 0.0, left: tuple[str, ...] = ()) -> GpuInSoftware:
    monkeypatch.setattr(software_driver, "find_driver", lambda: None)
    monkeypatch.setattr(gpu, "open_on_gpu", lambda _path, host, _floats: Accelerator(host, noise, [*left]))
    return GpuInSoftware()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, *IMAGE[1:]), np.float32)


def test_in_fp32_the_accelerator_owes_the_cpus_outputs(
    artefact: Artefact, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = accelerated(monkeypatch).run_with_settings(artefact.path, images)
    assert (same.words, same.fault) == ("and in fp32, inf dB against the CPU", None)
    off = accelerated(monkeypatch, 0.1).run_with_settings(artefact.path, images)
    assert off.fault is not None
    assert off.fault.endswith("dB against the CPU, at least 80 dB required")


def test_a_file_that_it_refuses_in_fp32_is_a_fault(
    artefact: Artefact, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = accelerated(monkeypatch)

    def refused(*_arguments: object) -> None:
        raise ArtefactError(got="m.tflite, which is refused", allowed="a file", do="convert again")

    monkeypatch.setattr(gpu, "open_on_gpu", refused)
    found = judge.run_with_settings(artefact.path, images)
    assert (found.words, found.fault) == (
        "and in fp32",
        "in fp32: got m.tflite, which is refused; allowed: a file; convert again",
    )


def test_after_a_run_it_says_what_was_left_to_the_cpu(
    artefact: Artefact, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = accelerated(monkeypatch, left=("CUMSUM: not supported", "LOG: not supported"))
    assert "left to the CPU" not in judge.runtime
    np.testing.assert_array_equal(judge.load(artefact.path)(images), load_runner(artefact.path)(images))
    assert judge.runtime.endswith("; left to the CPU: CUMSUM: not supported, LOG: not supported")
