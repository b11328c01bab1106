"""ExecuTorch's VGF delegate over Arm's emulation layer: a file is taken whole, computes what PyTorch does, and a wrong one fails.

Opt-in: `make test-gpu`, which also puts Arm's packages into .tools/vgf. Skipped without a Vulkan loader that knows Arm's extensions.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import evit_mobile
from converters.executorch.delegates.vgf import VgfInSoftware

pytestmark = [pytest.mark.slow, pytest.mark.skipif(VgfInSoftware().missing() is not None, reason="cannot run VGF")]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vgf")
    options = {
        "formats": ["executorch"],
        "delegate": "vgf",
        "precision": "fp32",
        "size": (64, 64),
        "golden": 0,
        "on": ["vgf"],
    }
    evit_mobile.convert("efficientvit_b0", out=folder, **options)
    return folder


def test_a_model_is_taken_whole_and_proven_over_the_emulation_layer(release: Path) -> None:
    (entry,) = evit_mobile.read_manifest(release).artefacts
    found = entry.validation
    assert (entry.path, found.on, found.verdict) == ("efficientvit_b0.fp32.vgf.pte", "vgf", "passed")
    assert "Arm's emulation layer" in found.runtime
    assert (entry.delegation.delegate, entry.delegation.partitions, entry.delegation.fallback) == ("VGF", 1, ())
    assert entry.delegation.delegated_ops == entry.delegation.total_ops > 100


def test_other_weights_fail(release: Path, tmp_path: Path) -> None:
    """A planted fault: a megabyte of weights in the middle of the file is another."""
    path = shutil.copytree(release, tmp_path / "planted") / "efficientvit_b0.fp32.vgf.pte"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2**20] = bytes(2**20)
    path.write_bytes(content)
    (one,) = evit_mobile.validate(path, on=["vgf"]).artefacts
    found = one.validation
    assert (found.on, found.verdict) == ("vgf", "failed")
