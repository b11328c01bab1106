"""Peak memory of loading, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from evit_mobile.models import build_model
from evit_mobile.spec import MODELS

MEASURE = """
import sys
from pathlib import Path
from evit_mobile.models.weights import load_checkpoint
def status(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
before = status("VmRSS")
kept = Path(sys.argv[1]).read_bytes() if sys.argv[2:] == ["wasteful"] else None
loaded = load_checkpoint(Path(sys.argv[1]))
print(loaded.spec.name, status("VmHWM") - before)
"""
"""VmHWM and not getrusage, whose peak starts at that of the process that started this one."""
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
LIMIT = 2.5  # times the bytes of the weights


def peak_bytes(path: Path, *options: str) -> tuple[str, int]:
    """Model and growth of the peak resident memory while loading a file; pages mapped from the file count."""
    command = [sys.executable, "-c", MEASURE, str(path), *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    name, peak = printed.stdout.split()
    return name, int(peak)


def tensors_of(name: str) -> dict[str, torch.Tensor]:
    """A model's, all of ones: to draw them would take as long as the rest."""
    with torch.device("meta"):
        state = build_model(MODELS[name]).state_dict()
    return {key: torch.ones(tensor.shape, dtype=tensor.dtype) for key, tensor in state.items()}


@pytest.mark.parametrize("name", ["efficientvit_b3", pytest.param("efficientvit_l3", marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", [".pt", pytest.param(".safetensors", marks=pytest.mark.slow)])
def test_loading_takes_less_than_two_and_a_half_times_the_weights(name: str, suffix: str, tmp_path: Path) -> None:
    state = tensors_of(name)
    path = tmp_path / f"weights{suffix}"
    torch.save({"state_dict": state}, path) if suffix == ".pt" else safetensors.torch.save_file(state, path)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    del state
    loaded, peak = peak_bytes(path)
    print(f"{name}{suffix}: {weights / 1e6:.0f} MB of weights, peak {peak / 1e6:.0f} MB, {peak / weights:.2f} times")
    assert loaded == name
    assert peak < LIMIT * weights


@pytest.mark.slow
def test_optimizer_state_is_not_read_into_memory(tmp_path: Path) -> None:
    """A training checkpoint of five times the weights loads in the memory of the weights."""
    state = tensors_of("efficientvit_b3")
    weights = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    moments = {index: {"exp_avg": t.clone(), "exp_avg_sq": t.clone()} for index, t in enumerate(state.values())}
    average = {key: tensor.clone() for key, tensor in state.items()}
    torch.save({"state_dict": state, "optimizer": {"state": moments}, "state_dict_ema": average}, tmp_path / "full.pt")
    assert (tmp_path / "full.pt").stat().st_size > 3.9 * weights
    assert peak_bytes(tmp_path / "full.pt")[1] < LIMIT * weights


def test_one_copy_of_the_file_too_many_is_noticed(tmp_path: Path) -> None:
    """The planted fault."""
    state = tensors_of("efficientvit_b3")
    torch.save(state, tmp_path / "weights.pt")
    assert peak_bytes(tmp_path / "weights.pt", "wasteful")[1] > LIMIT * (tmp_path / "weights.pt").stat().st_size
