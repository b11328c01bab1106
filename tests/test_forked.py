"""The process that judges .pte files in tests is like the one that judges them everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.converters.executorch.constant_models import images, model, old_file
from tests.converters.executorch.executorch_helpers import content
from tests.forked import WEIGHT_CACHE, Forked
from tests.lowering_helpers import export


@pytest.mark.slow
def test_it_ends_as_the_program_does(forked: Forked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of the test, with names of files in it; a file that kills the process and one that is not there included."""
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", images().numpy())
    Path("good.pte").write_bytes(content(export(model(), images())))
    Path("deadly.pte").write_bytes(old_file())
    for name in ("good", "deadly", "absent"):
        command = [sys.executable, "-P", str(WEIGHT_CACHE), f"{name}.pte", "images.npy", f"{name}.npz"]
        here, there = (
            run(command, capture_output=True, text=True, timeout=100) for run in (subprocess.run, forked.run)
        )
        assert here.returncode == there.returncode
        assert here.stderr.strip().splitlines()[-1:] == there.stderr.strip().splitlines()[-1:]
