"""What targets of compiled files have in common, on one whose files are the bytes of the portable ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.contract import Artefact, Inspection, Layout, Metadata, Precision, Runner, TensorSpec
from converters.errors import ArtefactError, UnknownSocError
from converters.files import sha256
from converters.qualcomm import libraries
from converters.qualcomm.socs import find_soc
from converters.qualcomm.target import CompiledTarget
from converters.registry import find_target

IMAGE = TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="int8", layout=Layout.NCHW, scale=0.5, zero_point=1)
ENDS = Inspection(inputs=(IMAGE,), outputs=(), operations={}, dtypes={}, bytes=0, delegation=None)


def test_a_judge_says_whose_emulator_it_is() -> None:
    assert find_target("tflite-sm8650").runtime == "Qualcomm's HTP emulator for SM8650 on x86-64"


class Portable:
    """Writes which program it was given."""

    def missing(self) -> str | None:
        return None

    def lower(self, program: Any, precision: Precision, path: Path, metadata: Metadata) -> None:
        path.write_text(f"{program} {precision} {metadata.description}")


class Compiled(CompiledTarget):
    made_from = "toy"

    def portable(self) -> Any:
        return Portable()

    def compile(self, portable: Path, precision: Precision, path: Path) -> Artefact:
        path.write_text(f"{portable.suffix}: {portable.read_text()}")
        return self.described(path, precision, ENDS, ("numpy",))

    def load(self, path: Path) -> Runner:
        raise NotImplementedError

    def inspect(self, path: Path) -> Inspection:
        raise NotImplementedError


def test_it_is_called_by_its_soc_in_any_case() -> None:
    target = Compiled("sm8750")
    assert (target.name, target.suffix) == ("toy-sm8750", ".sm8750.toy")
    assert target.runtime == find_soc("SM8750").emulator
    with pytest.raises(UnknownSocError, match="'SM1'"):
        Compiled("SM1")


def test_what_is_written_is_made_of_a_portable_file_that_does_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "m.sm8650.toy"
    artefact = Compiled("SM8650").lower("a program", Precision.INT8, path, Metadata(description="m"))  # type: ignore[arg-type]  # for `Portable`
    assert path.read_text() == ".toy: a program int8 m"
    assert [one.name for one in tmp_path.iterdir()] == ["m.sm8650.toy"]
    assert (artefact.format, artefact.soc, artefact.reproducible) == ("toy-sm8650", "SM8650", False)
    assert (artefact.sha256, artefact.inputs, artefact.toolchain) == (
        sha256(path),
        (IMAGE,),
        {"numpy": np.__version__},
    )


def test_a_file_for_another_soc_is_refused_by_name() -> None:
    target = Compiled("SM8650")
    target.check_soc(Path("a.toy"), "SM8650")
    with pytest.raises(ArtefactError, match=r"a\.toy, which is compiled for SM8750; allowed: a file for SM8650"):
        target.check_soc(Path("a.toy"), "SM8750")
    with pytest.raises(ArtefactError, match="for no SoC that it names"):
        target.check_soc(Path("a.toy"), "")


def test_both_toolchains_are_needed_and_the_one_that_brings_more_is_named_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libraries, "missing", lambda: None)
    assert Compiled("SM8650").missing() is None
    monkeypatch.setattr(Portable, "missing", lambda _: "no writer")
    assert Compiled("SM8650").missing() == "no writer"
    monkeypatch.setattr(libraries, "missing", lambda: "no wheel")
    assert Compiled("SM8650").missing() == "no wheel"
