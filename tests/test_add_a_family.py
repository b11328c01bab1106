"""docs/add-a-family.md, followed to the letter in a copy of evit_mobile: an architecture, a model, a row, and the family is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evit_mobile

ROOT = Path(evit_mobile.__file__).parents[1]
PAGE = (ROOT / "docs" / "add-a-family.md").read_text("utf-8")
FILES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(IMPORT,) = re.findall(r"```\n(from evit_mobile.*?)```", PAGE, re.DOTALL)
(ROW,) = re.findall(r"```\n(    Family\(.*?)```", PAGE, re.DOTALL)

SAVE = """
import torch
from evit_mobile.models.build import build_model
from evit_mobile.models.complexity import count_parameters
from evit_mobile.spec import find_spec
torch.manual_seed(0)
spec = find_spec("toy_small", size=(32, 32), num_classes=10)
model = build_model(spec)
for name, tensor in model.state_dict().items():
    if tensor.dtype.is_floating_point and tensor.ndim < 4:
        torch.nn.init.uniform_(tensor, 0.5, 1.5)
assert count_parameters(spec) == sum(parameter.numel() for parameter in model.parameters())
torch.save(model.state_dict(), "toy.pth")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three packages with what the page adds."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("converters", "calib"):
        (folder / package).symlink_to(ROOT / package)
    shutil.copytree(ROOT / "evit_mobile", folder / "evit_mobile", ignore=shutil.ignore_patterns("web_demo"))
    for content in FILES:
        name = re.match(r"# (\S+)\n", content)
        assert name is not None
        path = folder / name[1]
        assert not path.exists()
        path.write_text(content)
    table = folder / "evit_mobile" / "families" / "__init__.py"
    source = table.read_text().replace("FAMILIES = (\n", f"FAMILIES = (\n{ROW}")
    table.write_text(source.replace("\nFAMILIES", f"{IMPORT}\nFAMILIES"))
    return folder


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def weights(checkout: Path) -> str:
    """A checkpoint of the family's small model, in the checkout."""
    assert run(checkout, "-c", SAVE).returncode == 0
    return "toy.pth"


def test_the_family_is_listed(checkout: Path) -> None:
    listed = run(checkout, "-m", "evit_mobile.cli", "models", "--json")
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert {"toy_small", "toy_large", "efficientvit_m0"} <= rows.keys()
    assert rows["toy_small"]["family"] == "toy"


@pytest.mark.slow
def test_its_checkpoint_is_recognised_converted_and_proven(checkout: Path, weights: str) -> None:
    options = ("--weights", weights, "--size", "32", "--format", "tflite", "--fp32", "--golden", "0", "--out", "out")
    converted = run(checkout, "-m", "evit_mobile.cli", "convert", *options, "--json")
    assert converted.returncode == 0, converted.stderr
    document = json.loads(converted.stdout)
    assert (document["model"]["name"], document["model"]["family"]) == ("toy_small", "toy")
    (entry,) = document["artefacts"]
    assert (entry["path"], entry["delegation"]["fallback"]) == ("toy_small.fp32.tflite", [])


@pytest.mark.slow
def test_a_wrong_rewrite_of_it_is_found(checkout: Path, weights: str) -> None:
    rewrite = checkout / "evit_mobile" / "rewrites" / "toy.py"
    right = rewrite.read_text()
    rewrite.write_text(right.replace("block.conv.bias.mul_(gamma)", "block.conv.bias.mul_(2)"))
    try:
        options = ("--weights", weights, "--size", "32", "--format", "tflite", "--fp32", "--out", "wrong")
        refused = run(checkout, "-m", "evit_mobile.cli", "convert", *options)
    finally:
        rewrite.write_text(right)
    assert refused.returncode != 0
    assert "fold_gamma" in refused.stderr
