"""Files for GPUs with neural units, without Arm's packages: what is refused, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.contract import Precision
from converters.errors import ToolchainError
from converters.executorch.delegates import vgf
from converters.registry import find_target, target_of
from evit_mobile.errors import UsageError
from evit_mobile.request.checks import usable_target


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"model_converter", "tosa_serializer"}
    monkeypatch.setattr(vgf, "find_spec", lambda name: None if name in absent else object())


@pytest.mark.usefixtures("without_packages")
def test_what_is_not_installed_is_named_with_its_extra() -> None:
    for one in (find_target("executorch-vgf"), vgf.VgfInSoftware()):
        reason = "model_converter and tosa_serializer not installed: pip install 'evit-mobile[vgf]'"
        assert one.missing() == reason
    with pytest.raises(ToolchainError, match=r"evit-mobile\[vgf\]"):
        usable_target("executorch-vgf", Precision.FP32)


def test_the_driver_and_the_loader_are_missed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgf, "find_spec", lambda _name: object())
    monkeypatch.setattr(vgf.driver, "missing", lambda: "no software GPU driver")
    assert vgf.VgfInSoftware().missing() == "no software GPU driver"
    monkeypatch.setattr(vgf.driver, "missing", lambda: None)
    monkeypatch.setattr(vgf, "LOADERS", (tmp_path,))
    assert "chromium-common" in str(vgf.VgfInSoftware().missing())
    (tmp_path / "libvulkan.so.1").touch()
    assert vgf.VgfInSoftware().missing() is None


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.FP16])
def test_other_precisions_are_refused_before_any_work(precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgf, "find_spec", lambda _name: object())
    with pytest.raises(UsageError, match=f"precision {precision} for format executorch-vgf; allowed: fp32"):
        usable_target("executorch-vgf", precision)


def test_the_suffix_tells_the_target() -> None:
    assert target_of(Path("efficientvit_m0.fp32.vgf.pte")) == "executorch-vgf"


def test_the_converter_is_named_only_while_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgf, "package", lambda name: Path("/packages", name))
    monkeypatch.delenv(vgf.CONVERTER_PATH, raising=False)
    with vgf.converter_named():
        assert vgf.os.environ[vgf.CONVERTER_PATH] == "/packages/model_converter/binaries/bin/model-converter"
    assert vgf.CONVERTER_PATH not in vgf.os.environ
    monkeypatch.setenv(vgf.CONVERTER_PATH, "/own")
    with vgf.converter_named():
        assert vgf.os.environ[vgf.CONVERTER_PATH] == "/own"
    assert vgf.os.environ[vgf.CONVERTER_PATH] == "/own"
