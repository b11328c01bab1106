"""docs/add-a-format.md, followed to the letter in a copy of the converters: one folder, one row, and the format is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import converters
from tests.few_images import few_images

ROOT = Path(converters.__file__).parents[1]
PAGE = (ROOT / "docs" / "add-a-format.md").read_text("utf-8")
FILES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(ROW,) = re.findall(r"```\n(    Format\(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three packages with what the page adds."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("evit_mobile", "calib"):
        (folder / package).symlink_to(ROOT / package)
    shutil.copytree(ROOT / "converters", folder / "converters")
    for content in FILES:
        name = re.match(r"# (\S+)\n", content)
        assert name is not None
        path = folder / name[1]
        assert path.parent == folder / "converters" / "toy"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    registry = folder / "converters" / "registry.py"
    registry.write_text(registry.read_text().replace("FORMATS = (\n", f"FORMATS = (\n{ROW}"))
    return folder


def evit_mobile(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evit_mobile.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_the_format_is_listed_and_offered(checkout: Path) -> None:
    document = json.loads(evit_mobile(checkout, "doctor", "--json").stdout)
    assert "toy" in {row["format"] for row in document["targets"]}
    assert {"judge": "numpy", "format": "toy", "runtime": "NumPy", "missing": None} in document["judges"]
    assert "toy" in evit_mobile(checkout, "convert", "--help").stdout
    refused = evit_mobile(checkout, "convert", "--format", "toy", "--int8")
    assert (refused.returncode, "fp32" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_it_converts_proves_and_finds_a_fault(checkout: Path) -> None:
    images = ("--calib", str(few_images(checkout)))
    options = ("--format", "toy", "--fp32", "--size", "32", "--golden", "0", "--out", "out", "--json")
    converted = evit_mobile(checkout, "convert", *images, *options)
    assert converted.returncode == 0, converted.stderr
    (entry,) = json.loads(converted.stdout)["artefacts"]
    assert (entry["format"], entry["path"]) == ("toy", "efficientvit_m0.fp32.npz")
    assert [(one["on"], one["runtime"]) for one in entry["validations"]] == [("numpy", "NumPy")]
    path = f"out/{entry['path']}"
    assert evit_mobile(checkout, "validate", path, "--on", "numpy").returncode == 0
    assert json.loads(evit_mobile(checkout, "inspect", path, "--json").stdout)["operations"]["conv2d"] > 100
    judge = checkout / "converters" / "toy" / "run.py"
    judge.write_text(judge.read_text().replace("np.maximum(x, 0)", "np.maximum(x, 1)"))
    assert evit_mobile(checkout, "validate", path).returncode == 1
