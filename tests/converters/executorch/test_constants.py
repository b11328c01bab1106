"""Constants that XNNPACK does not pack: the program's own, handed to the delegate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.errors import ArtefactError
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.constant_models import images, model
from tests.converters.executorch.executorch_helpers import content, graph, kinds, run, write
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize, relative_error

constants = Lazily("converters.executorch.constants")
containers = Lazily("converters.executorch.container")


@pytest.mark.parametrize(("precision", "limit"), [(Precision.FP32, 1e-5), (Precision.FP16, 2e-2)])
def test_every_operation_with_a_constant_is_given_it_by_the_program(precision: Precision, limit: float) -> None:
    x = images()
    file = content(export(model(), x), precision)
    assert graph(file).unpacked() == []
    assert {"Add", "Subtract", "Multiply", "Div", "Maximum", "Minimum", "BatchMatrixMultiply", "Concatenate2"} <= set(
        kinds(file)
    )
    assert len(list(constants.constant_tensors(containers.open_container(file).plan))) >= 10
    assert relative_error(run(file, x), model()(x)) < limit


def test_a_number_in_an_int8_operation_is_given_by_the_program() -> None:
    x = images()
    file = content(quantize(export(nn.Sequential(nn.Conv2d(4, 4, 1), Apply(lambda x: x * 0.3)), x), x), Precision.INT8)
    assert [tensor.scalar_type.name for tensor in constants.constant_tensors(containers.open_container(file).plan)] == [
        "CHAR"
    ]


def test_a_constant_that_is_a_weight_as_well_is_kept_twice() -> None:
    shared = torch.randn(6)
    linear = nn.Linear(6, 6)
    linear.bias.data = shared
    model = nn.Sequential(linear, Apply(lambda x, c: x + c, c=shared))
    file = content(export(model, images()))
    assert graph(file).unpacked() == []
    assert len(list(constants.constant_tensors(containers.open_container(file).plan))) == 1
    assert relative_error(run(file, images()), model(images())) < 1e-5


def test_damaged_constants_are_refused(tmp_path: Path) -> None:
    """The digest covers the program's constants, byte by byte."""
    file = content(export(Apply(lambda x, c: x + c, c=torch.full((4, 6, 6), 3.25)), images()))
    place = file.index(np.full(4, 3.25, np.float32).tobytes())
    for position in (place, place + 4 * 4 * 36 - 1):
        flipped = bytearray(file)
        flipped[position] ^= 0x40
        with pytest.raises(ArtefactError, match="digest"):
            ExecuTorchTarget().inspect(write(tmp_path, bytes(flipped)))


def test_constants_that_are_too_short_or_missing_are_refused() -> None:
    """Files of other writers have no digest: what native code would believe is checked against the file."""
    container = containers.open_container(content(export(Apply(lambda x, c: x + c, c=torch.randn(4, 6, 6)), images())))
    (tensor,) = constants.constant_tensors(container.plan)
    index = container.program.constant_segment.segment_index
    start, end = container.segments[index]
    shorter = (*container.segments[:index], (start, end - 4), *container.segments[index + 1 :])
    with pytest.raises(ArtefactError, match="too short"):
        constants.check_constants(replace(container, segments=shorter))
    tensor.data_buffer_idx = 2
    with pytest.raises(ArtefactError, match="missing"):
        constants.check_constants(container)
