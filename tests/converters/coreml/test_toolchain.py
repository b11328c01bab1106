"""The door to coremltools: what is missing and how to get it, and that all that is switched over is switched back."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from converters.coreml import package, toolchain
from converters.coreml.package import INLINE
from converters.coreml.target import CoreMLTarget
from tests.converters.coreml.coreml_programs import export, seeded, write
from tests.converters.coreml.int8_packages import X


def test_missing_toolchain_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda _: None)
    assert toolchain.INSTALL in (CoreMLTarget().missing() or "")
    empty = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(toolchain, "find_spec", lambda _: empty)
    assert "weight-file library" in (CoreMLTarget().missing() or "")


class TestSmallTensors:
    @pytest.mark.parametrize(("channels", "stored"), [(INLINE, 1), (INLINE + 1, 2)])
    def test_they_are_in_the_program(self, channels: int, stored: int, tmp_path: Path) -> None:
        layer = seeded(lambda: nn.Conv2d(6, channels, 1))
        write(export(layer, X), tmp_path / "p.mlpackage")
        program = package.read(tmp_path / "p.mlpackage").specification.mlProgram
        assert len(list(package._file_values(program))) == stored

    def test_coremltools_is_as_before_afterwards(self) -> None:
        backend = toolchain.load("coremltools.converters.mil.backend.mil.load")
        usual = backend.should_use_weight_file
        with toolchain.small_tensors_inline(INLINE):
            assert not backend.should_use_weight_file(np.zeros(INLINE, np.float16))
            assert backend.should_use_weight_file(np.zeros(INLINE + 1, np.float16))
        assert backend.should_use_weight_file is usual
