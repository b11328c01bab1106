"""The contract, the two runtimes, and quiet: nothing of coremltools reaches a user's terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from converters.contract import Precision, Target
from converters.coreml import runtime
from converters.coreml.target import CoreMLTarget
from converters.registry import find_target
from tests.converters.coreml.coreml_programs import METADATA, FeedForward, export

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))

CONVERSION = """
import pathlib, sys, torch
from converters.contract import Metadata, Precision
from converters.registry import find_target
target = find_target("coreml")
program = torch.export.export(torch.nn.Conv2d(3, 4, 3).eval(), (torch.zeros(1, 3, 8, 8),))
path = pathlib.Path(sys.argv[1])
target.lower(program, Precision.FP16, path, Metadata(description="d"))
target.load(path)(torch.zeros(2, 3, 8, 8).numpy())
target.inspect(path)
"""

LOOK_UP = """
import sys
from converters.registry import find_target
find_target("coreml").missing()
print({"torch", "coremltools"} & {*sys.modules})
"""


def test_target_keeps_the_contract(tmp_path: Path) -> None:
    target: Target = find_target("coreml")
    assert target.missing() is None
    path = tmp_path / f"m{target.suffix}"
    artefact = target.lower(export(FeedForward(6), X), Precision.FP16, path, METADATA)
    assert artefact.format == target.name
    assert target.load(path)(X.numpy()).shape == artefact.outputs[0].shape
    assert target.inspect(path).operations["conv"] == 3


def test_nothing_heavy_is_imported_before_use() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK_UP], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_conversion_and_evaluation_are_silent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CONVERSION, str(tmp_path / "p.mlpackage")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_verdicts_on_linux_name_the_evaluator() -> None:
    assert CoreMLTarget.runtime == runtime.EVALUATOR
