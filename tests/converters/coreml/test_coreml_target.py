"""The contract, the two runtimes, and quiet: nothing of coremltools reaches a user's terminal."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.contract import Precision, Target
from converters.coreml import runtime, toolchain
from converters.coreml.evaluator import Evaluator
from converters.coreml.target import CoreMLTarget
from converters.errors import ArtefactError, ToolchainError
from converters.registry import find_target
from tests.converters.coreml.coreml_programs import METADATA, FeedForward, export, sqnr_db

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


def test_missing_toolchain_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda _: None)
    assert toolchain.INSTALL in (CoreMLTarget().missing() or "")
    empty = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(toolchain, "find_spec", lambda _: empty)
    assert "weight-file library" in (CoreMLTarget().missing() or "")


def test_verdicts_on_linux_name_the_evaluator() -> None:
    assert CoreMLTarget.runtime == runtime.EVALUATOR


class FakeModel:
    """coremltools' MLModel as documented: a list of feature dictionaries in, a list out."""

    def __init__(self, path: str, compute_units: Any) -> None:
        assert compute_units.name == "ALL"
        self.specification = toolchain.load().utils.load_spec(path)

    def get_spec(self) -> Any:
        return self.specification

    def predict(self, batch: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
        return [{"logits": 2 * one["image"]} for one in batch]


def test_on_a_mac_core_ml_itself_runs_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.mlpackage"
    CoreMLTarget().lower(export(FeedForward(6), X), Precision.FP16, path, METADATA)
    monkeypatch.setattr(runtime, "ON_MAC", True)
    monkeypatch.setattr(toolchain.load().models, "MLModel", FakeModel)
    assert runtime.runtime() == "Core ML"
    images = np.random.default_rng(0).normal(size=(3, 6, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(runtime.load(path)(images), 2 * images)
    (path / "Manifest.json").unlink()
    with pytest.raises(ArtefactError, match="no Manifest"):
        runtime.load(path)


@pytest.mark.skipif(not runtime.ON_MAC, reason="Core ML itself runs on macOS only")
@pytest.mark.parametrize("units", runtime.UNITS)
def test_core_ml_and_the_evaluator_agree(units: str, tmp_path: Path) -> None:
    path = tmp_path / "p.mlpackage"
    CoreMLTarget().lower(export(FeedForward(6), X), Precision.FP16, path, METADATA)
    images = np.random.default_rng(0).normal(size=(8, 6, 5, 5)).astype(np.float32)
    expected = Evaluator(path)(images)
    assert sqnr_db(expected, runtime._core_ml(path, None, units)(images)) > 50


def test_core_ml_refusing_a_package_is_a_toolchain_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.mlpackage"
    CoreMLTarget().lower(export(FeedForward(6), X), Precision.FP16, path, METADATA)

    def refuse(_: str, **__: Any) -> None:
        raise RuntimeError("Error compiling model")

    monkeypatch.setattr(runtime, "ON_MAC", True)
    monkeypatch.setattr(toolchain.load().models, "MLModel", refuse)
    with pytest.raises(ToolchainError, match="Error compiling model"):
        runtime.load(path)
