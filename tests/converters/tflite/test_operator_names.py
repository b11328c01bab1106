"""The operators of a file in order, by kind and module."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.contract import Artefact
from converters.errors import ArtefactError
from converters.tflite.operator_names import operator_names


def test_every_operator_has_its_kind_and_module(artefact: Artefact) -> None:
    kinds, modules = operator_names(artefact.path)
    assert len(kinds) == len(modules)
    convolutions = [module for kind, module in zip(kinds, modules, strict=True) if kind == "CONV_2D"]
    assert convolutions == ["stem", "value"]
    assert (kinds[-1], modules[-1]) == ("FULLY_CONNECTED", "head"), "the output is called logits: its weight tells"
    assert modules[kinds.index("SOFTMAX")] == ""


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="No such file"):
        operator_names(tmp_path / "none.tflite")
