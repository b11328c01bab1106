"""XNNPACK's weight cache: right files give the same bits with and without it, and wrong ones do not pass for right ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from converters.contract import Precision
from converters.executorch import weight_cache
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.constant_models import images, model, old_file
from tests.converters.executorch.executorch_helpers import content, write
from tests.forked import Forked
from tests.lowering_helpers import export, quantize

IMAGE = (1, 4, 6, 6)
TARGET = ExecuTorchTarget()


@pytest.fixture(autouse=True)
def in_processes_of_their_own(forked: Forked, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere but in tests of something else."""
    monkeypatch.setattr(subprocess, "run", forked.run)


@pytest.mark.parametrize(
    "precision",
    [Precision.FP32, *(pytest.param(one, marks=pytest.mark.slow) for one in (Precision.FP16, Precision.INT8))],
)
def test_the_weight_cache_changes_nothing(precision: Precision, tmp_path: Path) -> None:
    x = images()
    program = export(model(), x)
    if precision is Precision.INT8:
        program = quantize(program, x)
    found = TARGET.run_with_settings(write(tmp_path, content(program, precision)), np.concatenate([x.numpy()] * 2))
    assert found is not None
    assert (found.words, found.fault) == ("2 images with its weight cache on as well", None)


def test_a_file_that_reads_freed_memory_is_seen(tmp_path: Path) -> None:
    """What phones do with the form of earlier files, and what the default of the Python package hides."""
    path = write(tmp_path, old_file())
    assert TARGET.load(path)(images().numpy()).shape == IMAGE
    found = TARGET.run_with_settings(path, images().numpy())
    assert found is not None
    assert found.fault is not None
    assert "with the weight cache it kills the runtime (signal 11)" in found.fault


def test_a_cache_that_cannot_be_set_is_not_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A build of another name for the function: the file below is the same program, looking for another symbol."""
    program = Path(weight_cache.__file__).read_text()
    other = tmp_path / "weight_cache.py"
    other.write_text(program.replace("{}_option", "{}_choice"))
    monkeypatch.setattr(weight_cache, "__file__", str(other))
    found = TARGET.run_with_settings(write(tmp_path, content(export(nn.Conv2d(4, 4, 1), images()))), images().numpy())
    assert found is not None
    assert found.fault is None
    assert found.words == "its weight cache as this build has it: this build of executorch exports no function for it"


def together(files: list[Path], x: Tensor, outputs: Path) -> dict[str, np.ndarray]:
    """Outputs of files that are loaded into one process, one after the other, with the weight cache off and on."""
    given = outputs.with_suffix(".npy")
    np.save(given, x.numpy())
    command = [sys.executable, "-P", weight_cache.__file__, *map(str, files), str(given), str(outputs)]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(outputs) as runs:
        return dict(runs)


def test_files_that_share_weights_do_not_share_their_packed_form(tmp_path: Path) -> None:
    """An app may hold float32 and float16, or two calibrations, of one model: the cache is the process's."""
    x = images()
    program = export(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1, bias=False)), x)
    variants = {
        "fp32": content(program),
        "fp16": content(program, Precision.FP16),
        "int8": content(quantize(program, x), Precision.INT8),
        "other int8": content(quantize(program, 3 * x), Precision.INT8),
    }
    files = []
    for name, file in variants.items():
        files.append(tmp_path / f"{name}.pte")
        files[-1].write_bytes(file)
    runs = together(files, x, tmp_path / "outputs.npz")
    for position in range(len(files)):
        assert runs[f"on{position}"].tobytes() == runs[f"off{position}"].tobytes()
