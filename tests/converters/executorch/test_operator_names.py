"""The operations of a file in order, and the modules that they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from converters.errors import ArtefactError
from tests.converters.executorch.executorch_helpers import write
from tests.lazily import Lazily

operator_names = Lazily("converters.executorch.operator_names")


def test_each_operation_with_its_module(small: bytes, tmp_path: Path) -> None:
    kinds, modules = operator_names.operator_names(write(tmp_path, small))
    assert kinds == [
        *("StaticTranspose", "StaticReshape", "Conv2d", "StaticReshape"),
        *("DepthwiseConv2d", "Add", "GlobalAvgPooling2d", "FullyConnected"),
    ]
    assert len(modules) == len(kinds)
    assert (
        dict(zip(kinds, modules, strict=True)).items()
        >= {"Conv2d": "stem", "DepthwiseConv2d": "mix", "FullyConnected": "head"}.items()
    )


def test_files_of_other_writers_have_no_modules(stock: tuple[nn.Module, Path]) -> None:
    kinds, modules = operator_names.operator_names(stock[1])
    assert kinds.count("Conv2d") == 2
    assert modules == [""] * len(kinds)


def test_a_damaged_file_is_refused(small: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError):
        operator_names.operator_names(write(tmp_path, small[:-1]))
