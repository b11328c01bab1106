"""The target: what it writes down about its artefacts, and that it keeps quiet."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.errors import ToolchainError
from converters.executorch.target import ExecuTorchTarget
from converters.interface import Choices, Interface, Normalization
from converters.registry import find_target
from tests.lowering_helpers import METADATA, Apply, export

SCRIPT = """
import logging, sys
from pathlib import Path
import torch
from torch import nn
from converters.contract import Metadata, Precision
from converters.executorch.target import ExecuTorchTarget
path = Path(sys.argv[1])
program = torch.export.export(nn.Conv2d(3, 4, 1).eval(), (torch.zeros(1, 3, 4, 4),))
ExecuTorchTarget().lower(program, Precision.FP32, path, Metadata(description=""))
ExecuTorchTarget().inspect(path)
print(ExecuTorchTarget().load(path)(torch.zeros(1, 3, 4, 4).numpy()).shape)
assert not logging.getLogger().handlers, "an import has switched on logging for the whole application"
"""


def test_the_artefact_describes_the_file(tmp_path: Path) -> None:
    target, path = ExecuTorchTarget(), tmp_path / "model.fp32.pte"
    artefact = target.lower(export(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 8, 8)), Precision.FP32, path, METADATA)
    assert artefact.bytes == path.stat().st_size
    assert artefact.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert artefact.oldest_runtime == "executorch 1.4.0"
    assert b'"oldest_runtime": "executorch 1.4.0"' in path.read_bytes()
    assert artefact.toolchain == {name: version(name) for name in ("torch", "executorch")}
    assert artefact.inputs == target.inspect(path).inputs
    assert [spec.shape for spec in artefact.outputs] == [(1, 4, 8, 8)]


def test_nothing_is_left_behind_by_a_failure(tmp_path: Path) -> None:
    program = export(Apply(lambda x: torch.cumsum(x, 1)), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ToolchainError):
        ExecuTorchTarget().lower(program, Precision.FP32, tmp_path / "model.pte", METADATA)
    assert list(tmp_path.iterdir()) == []


def test_it_is_registered_and_installed() -> None:
    target = find_target("executorch")
    assert isinstance(target, ExecuTorchTarget)
    assert target.missing() is None


def test_a_missing_package_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("converters.executorch.target.find_spec", lambda _: None)
    missing = ExecuTorchTarget().missing()
    assert missing is not None
    assert "pip install 'evit-mobile[executorch]'" in missing
    with pytest.raises(ToolchainError, match="executorch"):
        ExecuTorchTarget().load(tmp_path / "model.pte")


def test_an_interface_is_chosen_for_a_target_of_its_own() -> None:
    usual, pixels = ExecuTorchTarget(), Interface(pixels=Normalization(mean=(0.5,) * 3, std=(0.5,) * 3))
    assert usual.chosen(Choices(interface=pixels)).interface is pixels
    assert usual.interface == Interface()
    vulkan = find_target("executorch-vulkan")
    assert isinstance(vulkan, ExecuTorchTarget)
    assert vulkan.chosen(Choices(interface=pixels)) is vulkan, "which has one interface only"


@pytest.mark.slow
def test_nothing_but_the_result_is_printed(tmp_path: Path) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "model.pte")], capture_output=True, text=True, check=True
    )
    assert completed.stdout == "(1, 4, 4, 4)\n"
    assert completed.stderr == ""
