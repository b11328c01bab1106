"""Which Vulkan driver judges in a GPU's place, as vulkaninfo describes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters import software_driver
from converters.errors import ToolchainError
from tests.converters.mesa import MESA


def described(version: str = "25.0.7-2", half: str = "true") -> software_driver.Driver:
    return software_driver.read_driver(MESA.format(version=version, half=half))


def test_the_first_device_is_the_driver() -> None:
    driver = described()
    assert driver == software_driver.Driver(
        device="llvmpipe (LLVM 15.0.6, 256 bits)", version="Mesa 25.0.7-2 (LLVM 15.0.6)", half=True
    )
    assert driver.fault() is None
    assert driver.words.endswith("with fp16 shaders")


def test_old_mesa_and_drivers_without_fp16_are_refused_by_name() -> None:
    assert "Mesa 22.3.6 (LLVM 15.0.6), with fp16 shaders: LiteRT's GPU accelerator needs Mesa 25" in str(
        described("22.3.6").fault()
    )
    assert "computes in fp32" in str(described(half="false").fault())


def test_a_description_without_fp16_is_one_of_fp32() -> None:
    driver = software_driver.read_driver("deviceName = a\ndriverInfo = Mesa 30.1\n")
    assert driver.words == "a, Mesa 30.1, without fp16 shaders"
    other = software_driver.Driver(device="a", version="550.54", half=True)
    assert other.fault() is None  # not Mesa


@pytest.mark.parametrize("answer", ["", "ERROR: no drivers", "deviceName = a"])
def test_no_device_is_an_error_that_names_the_script(answer: str) -> None:
    with pytest.raises(ToolchainError, match=r"no device from vulkaninfo.*scripts/gpu/prepare\.sh"):
        software_driver.read_driver(answer)


def test_the_driver_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(software_driver.VARIABLE, str(tmp_path / "gpu"))
    assert software_driver.folder() == tmp_path / "gpu"
    assert software_driver.find_driver() is None
    assert str(software_driver.missing()).startswith(f"no software GPU driver in {tmp_path / 'gpu'}: run scripts/gpu")
    monkeypatch.delenv(software_driver.VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert software_driver.folder() == tmp_path / ".tools" / "gpu"


def test_the_tool_is_asked_with_the_prepared_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(software_driver.VARIABLE, str(tmp_path))
    tool = tmp_path / software_driver.TOOL
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\nprintf "deviceName = $VK_DRIVER_FILES\\ndriverInfo = $LD_LIBRARY_PATH\\n"\n')
    tool.chmod(0o755)
    driver = software_driver.find_driver()
    assert driver is not None
    assert driver.device == str(tmp_path / software_driver.ICD)
    assert driver.version == str(tmp_path / software_driver.LIBRARIES)
    assert "fp32, which says nothing about fp16: run scripts/gpu" in str(software_driver.missing())


def test_shaders_compile_cheaply_unless_the_caller_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in software_driver.CHEAP_SHADERS:
        monkeypatch.delenv(name, raising=False)
    assert software_driver.environment(tmp_path).items() >= software_driver.CHEAP_SHADERS.items()
    monkeypatch.setenv("GALLIVM_PERF", "")
    given = software_driver.environment(tmp_path)
    assert (given["GALLIVM_PERF"], given["LP_NATIVE_VECTOR_WIDTH"]) == ("", "128")
