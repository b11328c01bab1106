"""The wheel in an empty environment, with each extra alone: its first command runs, and the other formats say what they miss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DIST = os.environ.get("EVIT_MOBILE_DIST")
TORCH = "torch==2.13.0"
SMALL = ("convert", "--model", "efficientvit_m0", "--size", "64", "--golden", "0", "--json")
FIRST = {
    "": ("models", "--json"),
    "coreml": (*SMALL, "--format", "coreml", "--fp16"),
    "tflite": (*SMALL, "--format", "tflite", "--fp32"),
    "executorch": (*SMALL, "--format", "executorch", "--fp32"),
    "hub": ("convert", "--weights", "hf://somebody/nothing", "--format", "tflite"),
    "heif": ("doctor", "--json"),
    "parquet": ("doctor", "--json"),
    "vela": ("doctor", "--json"),
    "perfetto": ("doctor", "--json"),
}
"""By extra, what somebody who installed it alone would type first."""

OTHER = {"coreml": "tflite", "tflite": "executorch", "executorch": "coreml", "": "tflite"}
"""A format whose toolchain is not in the environment of an extra."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DIST is None, reason="opt-in: make test-install builds the wheel and installs it"),
]


@pytest.fixture(params=FIRST, ids=lambda extra: extra or "none")
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """An extra and an environment with the wheel and that extra alone."""
    extra = str(request.param)
    (wheel,) = Path(str(DIST)).glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    asked = f"{wheel}[{extra}]" if extra else str(wheel)
    subprocess.run([python, "-m", "pip", "install", "--quiet", TORCH, asked], check=True)
    return extra, python.parent


def run(binaries: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [binaries / "evit-mobile", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_an_extra_alone_is_usable(installed: tuple[str, Path], tmp_path: Path) -> None:
    extra, binaries = installed
    here = tmp_path / "here"
    here.mkdir()
    assert "convert" in run(binaries, "--help", cwd=here).stdout
    first = run(binaries, *FIRST[extra], cwd=here)
    if extra == "hub":
        assert first.returncode in (2, 3)
        assert "package huggingface_hub" not in first.stderr
        return
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    if extra in ("coreml", "tflite", "executorch"):
        assert [one["verdict"] for entry in document["artefacts"] for one in entry["validations"]] == ["passed"]
    if extra in OTHER:
        refused = run(binaries, "convert", "--format", OTHER[extra], "--fp32", cwd=here)
        assert refused.returncode == 3
        assert f"evit-mobile[{OTHER[extra]}]" in refused.stderr
        assert "Traceback" not in refused.stderr
