"""A judge of packages judges the one inside, and what it says of itself says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.contract import Judge, Runner
from converters.errors import ArtefactError
from converters.executorch.delegates.coreml import PACKAGE, ROOT, pack
from converters.executorch.delegates.judges import Inside
from tests.converters.executorch.delegates.layers import IMAGES, artefact
from tests.converters.executorch.executorch_helpers import write
from tests.lowering_helpers import METADATA


class OfFolders:
    """A judge that gives the number in a package's only file."""

    runtime = "a reader"

    def missing(self) -> str | None:
        return "no glasses here"

    def load(self, path: Path) -> Runner:
        number = int((path / "number").read_text())
        return lambda images: np.full(len(images), number)


def test_it_is_given_the_package_inside_and_called_so(tmp_path: Path) -> None:
    package = tmp_path / ROOT / PACKAGE
    package.mkdir(parents=True)
    (package / "number").write_text("42")
    path = write(tmp_path, pack(tmp_path / ROOT, artefact(package), METADATA))
    (package / "number").write_text("43")
    judge: Judge = Inside(OfFolders())
    assert judge.runtime == "a reader, given the Core ML program inside"
    assert judge.missing() == "no glasses here"
    assert judge.load(path)(IMAGES.numpy()).tolist() == [42] * 5


def test_a_file_without_a_package_is_refused(small: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="XnnpackBackend"):
        Inside(OfFolders()).load(write(tmp_path, small))
