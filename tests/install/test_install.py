"""The wheel in an empty environment, with each extra alone: its first command runs, and the other formats say what they miss."""

from __future__ import annotations

import json
import os
import shutil
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
    "coreai": (*SMALL, "--format", "coreai", "--fp32"),
    "onnx": (*SMALL, "--format", "onnx", "--fp32"),
    "qualcomm": (*SMALL, "--format", "onnx", "--fp32"),
    "vgf": ("doctor", "--json"),
    "hub": ("convert", "--weights", "hf://somebody/nothing", "--format", "tflite"),
    "heif": ("doctor", "--json"),
    "parquet": ("doctor", "--json"),
    "sweep": ("sweep", "--help"),
    "ray": ("sweep", "--help"),
    "s3": ("doctor", "--json"),
    "vela": ("doctor", "--json"),
    "perfetto": ("doctor", "--json"),
}
"""By extra, what somebody who installed it alone would type first."""

OTHER = {
    "coreml": "tflite",
    "tflite": "executorch",
    "executorch": "tflite",
    "onnx": "coreai",
    "coreai": "onnx",
    "": "tflite",
}
"""A format whose toolchain is not in the environment of an extra."""
BUNDLES = {"all", "bench", "test"}
"""Extras that are several of the others."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DIST is None, reason="opt-in: make test-install builds the wheel and installs it"),
]


@pytest.fixture(scope="module")
def torch_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with torch and nothing else, as the page has it installed first."""
    return environment(tmp_path_factory.mktemp("torch") / "venv", TORCH)


def environment(place: Path, *packages: str) -> Path:
    """An environment with what is asked for. Its folder. A checkout on the path would count as installed."""
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    around = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    install = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", *packages]
    subprocess.run(install, env=around, check=True)
    return place


@pytest.fixture(params=FIRST, ids=lambda extra: extra or "none")
def installed(request: pytest.FixtureRequest, torch_alone: Path, tmp_path: Path) -> tuple[str, Path]:
    """An extra, and the programs of an environment with the wheel and that extra alone. Files of torch are links, not copies."""
    extra = str(request.param)
    (wheel,) = Path(str(DIST)).glob("*.whl")
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    shutil.copytree(torch_alone / "lib", place / "lib", copy_function=os.link, dirs_exist_ok=True)
    return extra, environment(place, f"{wheel}[{extra}]" if extra else str(wheel)) / "bin"


def run(binaries: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    around = {"PATH": os.environ["PATH"], "HOME": str(cwd), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [binaries / "evit-mobile", *arguments]
    return subprocess.run(command, cwd=cwd, env=around, capture_output=True, text=True, check=False)


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
    document = json.loads(first.stdout) if "--json" in FIRST[extra] else {}
    if "artefacts" in document:
        assert [one["verdict"] for entry in document["artefacts"] for one in entry["validations"]] == ["passed"]
    if extra in OTHER:
        refused = run(binaries, "convert", "--format", OTHER[extra], "--fp32", cwd=here)
        assert refused.returncode == 3
        assert f"evit-mobile[{OTHER[extra]}]" in refused.stderr
        assert "Traceback" not in refused.stderr
