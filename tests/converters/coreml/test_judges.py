"""Who judges a package: our evaluator anywhere, Core ML on a Mac only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from converters.contract import Judge
from converters.coreml import judges, runtime, toolchain
from tests.converters.coreml.coreml_programs import Lambda, export, write
from tests.converters.coreml.test_runtime import FakeModel

X = torch.arange(24.0).reshape(1, 6, 2, 2)


@pytest.fixture(scope="module")
def tripled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that gives three times what it takes, where FakeModel gives twice that."""
    path = tmp_path_factory.mktemp("judges") / "p.mlpackage"
    write(export(Lambda(lambda x: x * 3), X), path)
    return path


@pytest.mark.parametrize("on_mac", [True, False])
def test_the_evaluator_evaluates_on_a_mac_as_well(on_mac: bool, tripled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "ON_MAC", on_mac)
    monkeypatch.setattr(toolchain.load().models, "MLModel", FakeModel)
    judge: Judge = judges.Evaluator()
    assert judge.missing() is None
    assert "reference evaluator" in judge.runtime
    np.testing.assert_array_equal(judge.load(tripled)(X.numpy()), 3 * X.numpy())


def test_core_ml_is_asked_itself(tripled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "ON_MAC", True)
    monkeypatch.setattr(toolchain.load().models, "MLModel", FakeModel)
    judge: Judge = judges.CoreML()
    assert judge.missing() is None
    assert judge.runtime == "Core ML"
    np.testing.assert_array_equal(judge.load(tripled)(X.numpy()), 2 * X.numpy())


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "ON_MAC", False)
    assert judges.CoreML().missing() == "Core ML runs on macOS: run `evit-mobile validate` there"
    monkeypatch.setattr(toolchain, "find_spec", lambda _: None)
    assert toolchain.INSTALL in str(judges.Evaluator().missing())
    monkeypatch.setattr(runtime, "ON_MAC", True)
    assert toolchain.INSTALL in str(judges.CoreML().missing())
