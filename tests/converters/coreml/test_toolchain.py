"""The door to coremltools: what is missing and how to get it, and that all that is switched over is switched back."""

from __future__ import annotations

import logging
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
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


def test_loggers_are_quiet_for_the_time_being_also_through_an_error() -> None:
    ours, other = logging.getLogger("test_toolchain.ours"), logging.getLogger("test_toolchain.other")
    ours.setLevel(logging.DEBUG)

    @toolchain.quiet(("test_toolchain.ours",))
    def failing() -> None:
        assert not ours.isEnabledFor(logging.WARNING)
        assert ours.isEnabledFor(logging.ERROR)
        assert other.isEnabledFor(logging.WARNING)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert ours.level == logging.DEBUG


def test_a_part_is_imported_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(toolchain, "import_module", lambda name: asked.append(name) or object())
    assert toolchain.load("test_toolchain.part") is toolchain.load("test_toolchain.part")
    assert asked == ["test_toolchain.part"]


def test_progress_bars_are_back_afterwards() -> None:
    manager = toolchain.load("coremltools.converters.mil.mil.passes.pass_pipeline")
    drawn = manager.tqdm

    @toolchain.no_progress_bars()
    def failing() -> None:
        assert list(manager.tqdm(["a", "b"], desc="Running passes", unit=" passes")) == ["a", "b"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert manager.tqdm is drawn


class TestCheckedOnce:
    """What breaks a program is found at the end of the block, and nothing stays switched over."""

    def test_a_sound_program_is_checked_when_its_passes_are_done(self) -> None:
        program = toolchain.load("coremltools.converters.mil.mil.program").Program
        usual = program.validate
        with toolchain.checked_once():
            self.program(toolchain.load()).validate(check_essential_scope=True)
        assert program.validate is usual

    def test_a_broken_program_is_refused(self) -> None:
        broken = self.program(toolchain.load())
        (function,) = broken.functions.values()
        function.operations.remove(function.operations[0])  # what the second one reads
        block = toolchain.checked_once()
        block.__enter__()
        broken.validate()
        with pytest.raises(ValueError, match="not visible in the block"):
            block.__exit__(None, None, None)

    def program(self, model: Any) -> Any:
        builder = model.converters.mil.Builder

        @builder.program(input_specs=[builder.TensorSpec(shape=(2,))])  # type: ignore[untyped-decorator]  # coremltools'
        def twice(x: Any) -> Any:
            return builder.relu(x=builder.relu(x=x))

        return twice


def test_versions_are_those_that_are_installed() -> None:
    release = torch.__version__.partition("+")[
        0
    ]  # the index's wheel is 2.13.0 to the installer and 2.13.0+cu130 to itself
    assert toolchain.versions()["coremltools"] == toolchain.load().__version__
    assert toolchain.versions()["torch"].partition("+")[0] == release
