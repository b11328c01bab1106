"""A judge of packages judges the one inside, and what it says of itself says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.contract import Judge, Precision, Runner
from converters.errors import ArtefactError
from converters.executorch.delegates.judges import Inside
from converters.registry import find_target
from tests.converters.executorch.delegates.layers import IMAGES, model
from tests.converters.executorch.executorch_helpers import write
from tests.lowering_helpers import METADATA, export


class OfFolders:
    """A judge that gives the number of bytes in a package's specification."""

    runtime = "a count of bytes"

    def missing(self) -> str | None:
        return "no scales here"

    def load(self, path: Path) -> Runner:
        size = sum(one.stat().st_size for one in path.rglob("*.mlmodel"))
        return lambda images: np.full(len(images), size)


def test_it_is_given_the_package_inside_and_called_so(tmp_path: Path) -> None:
    target, path = find_target("executorch-coreml"), tmp_path / "model.coreml.pte"
    program = export(model(), IMAGES[:1])
    target.lower(program, Precision.FP16, path, METADATA)
    find_target("coreml").lower(program, Precision.FP16, tmp_path / "alone.mlpackage", METADATA)
    judge: Judge = Inside(OfFolders())
    assert judge.runtime == "a count of bytes, given the Core ML program inside"
    assert judge.missing() == "no scales here"
    expected = OfFolders().load(tmp_path / "alone.mlpackage")(IMAGES.numpy())
    assert expected[0] > 1000
    np.testing.assert_array_equal(judge.load(path)(IMAGES.numpy()), expected)


def test_a_file_without_a_package_is_refused(small: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="XnnpackBackend"):
        Inside(OfFolders()).load(write(tmp_path, small))
