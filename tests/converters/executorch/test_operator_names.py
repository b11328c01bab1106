"""The operations of a file in order, and the modules that they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.errors import ArtefactError
from converters.executorch.graph import Graph
from tests.converters.executorch.executorch_helpers import write
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, export

containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")
lowering = Lazily("converters.executorch.lower")
operator_names = Lazily("converters.executorch.operator_names")


def test_each_operation_with_its_module(small: bytes, tmp_path: Path) -> None:
    kinds, modules = operator_names.operator_names(write(tmp_path, small))
    assert kinds == [
        *("StaticTranspose", "Conv2d", "DepthwiseConv2d", "Add"),
        *("StaticReshape", "GlobalAvgPooling2d", "FullyConnected", "StaticReshape"),
    ]
    assert modules == ["stem", "stem", "mix", "", "", "", "head", ""]


def test_a_file_without_a_list_of_modules_has_empty_ones(tmp_path: Path) -> None:
    """Files of other writers have none."""
    found = lowering.to_graph(export(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 8, 8)), Precision.FP32)
    blob, ends = delegates.write_blob(found), Graph(inputs=found.inputs, outputs=found.outputs)
    kinds, modules = operator_names.operator_names(write(tmp_path, containers.write_container(ends, blob, METADATA)))
    assert kinds == [operation.kind for operation in found.operations]
    assert modules == [""] * len(kinds)


def test_a_damaged_file_is_refused(small: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError):
        operator_names.operator_names(write(tmp_path, small[:-1]))
