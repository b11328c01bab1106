"""The same package in Core ML on a Mac and in the evaluator elsewhere; each function runs the images of its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.contract import Precision
from converters.coreml import runtime, toolchain
from converters.coreml.evaluator import Evaluator
from converters.coreml.target import CoreMLTarget
from converters.errors import ArtefactError, ToolchainError
from tests.converters.coreml.coreml_programs import METADATA, FeedForward, export, sqnr_db

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))


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


def test_images_go_to_the_function_of_their_size() -> None:
    runners = {"size_2x3": lambda images: images + 1, "size_3x2": lambda images: images + 2}
    for shape, added in (((1, 3, 2, 3), 1), ((4, 3, 3, 2), 2)):
        images = np.zeros(shape, np.float32)
        np.testing.assert_array_equal(runtime._of_size(runners, images)(images), images + added)
    with pytest.raises(ArtefactError, match=r"a function size_2x2; allowed: images for one of size_2x3, size_3x2"):
        runtime._of_size(runners, np.zeros((1, 3, 2, 2), np.float32))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of one function; not to be changed."""
    path = tmp_path_factory.mktemp("runtime") / "p.mlpackage"
    CoreMLTarget().lower(export(FeedForward(6), X), Precision.FP16, path, METADATA)
    return path


def test_a_machine_may_be_asked_for_the_other_runtime(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "ON_MAC", False)
    assert runtime.runtime() == runtime.EVALUATOR
    monkeypatch.setattr(toolchain.load().models, "MLModel", FakeModel)
    np.testing.assert_array_equal(runtime.load(plain, evaluated=False)(X.numpy()), 2 * X.numpy())
    assert not np.array_equal(runtime.load(plain)(X.numpy()), 2 * X.numpy())
