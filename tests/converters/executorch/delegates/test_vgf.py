"""Files for GPUs with neural units, without Arm's packages: what is refused, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
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


def test_a_file_that_its_runtime_cannot_run_is_refused_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import sys\nprint('first', file=sys.stderr)\nsys.exit('no such layer')")
    monkeypatch.setattr(vgf, "WORKER", worker)
    monkeypatch.setattr(vgf, "environment", dict)
    with pytest.raises(ArtefactError, match=r"m\.vgf\.pte, .* exit code 1 \(no such layer\)"):
        vgf.run_in_child(tmp_path / "m.vgf.pte", np.zeros((1, 3, 2, 2), np.float32))


def test_the_outputs_of_the_child_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, sys, numpy\n_, model, inputs, outputs = sys.argv\n"
        "numpy.save(outputs, numpy.load(inputs) * int(os.environ['FACTOR']))"
    )
    monkeypatch.setattr(vgf, "WORKER", worker)
    monkeypatch.setattr(vgf, "environment", lambda: {"FACTOR": "3"})
    found = vgf.run_in_child(tmp_path / "m.vgf.pte", np.ones((2, 3, 2, 2), np.float32))
    np.testing.assert_array_equal(found, np.full((2, 3, 2, 2), 3, np.float32))


def test_a_process_finds_the_layers_before_the_drivers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libvulkan.so.1").touch()
    monkeypatch.setattr(vgf, "LOADERS", (tmp_path,))
    monkeypatch.setattr(vgf, "package", lambda name: Path("/packages", name))
    monkeypatch.setattr(vgf.driver, "folder", lambda: Path("/driver"))
    monkeypatch.setattr(vgf.driver, "environment", lambda _folder: {"LD_LIBRARY_PATH": "/driver", "OWN": "1"})
    found = vgf.environment()
    assert found["LD_LIBRARY_PATH"] == f"/packages/emulation_layer/deploy/lib:{tmp_path}:/driver"
    assert found["VK_LAYER_PATH"] == "/packages/emulation_layer/deploy/share/vulkan/explicit_layer.d"
    assert found["OWN"] == "1"


def test_an_error_is_told_by_what_it_began_with() -> None:
    def passes() -> None:
        try:
            try:
                raise ValueError("no such operation")
            except ValueError as error:
                raise RuntimeError("after the following passes: many") from error
        except RuntimeError:
            raise KeyError("and more")  # noqa: B904  # a context, not a cause

    with pytest.raises(KeyError) as caught:
        passes()
    assert str(vgf.first_cause(caught.value)) == "no such operation"
