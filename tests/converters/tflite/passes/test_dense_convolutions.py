"""Grouped int8 convolutions as dense ones: the same codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.lowering.values import Quantization
from converters.tflite.graph import Operation
from converters.tflite.passes.dense_convolutions import block_diagonal, grouped_int8, outputs, slices
from tests.converters.tflite.passes.detected import (
    GROUPED,
    IMAGE,
    files,
    graphs,
    grouped,
)
from tests.converters.tflite.tflite_helpers import partitions, run, stored
from tests.lowering_helpers import export, quantize


@pytest.mark.parametrize("name", GROUPED)
def test_grouped_int8_convolutions_are_dense_and_give_the_same_codes(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    program = quantize(export(nn.Sequential(GROUPED[name], nn.ReLU()), x), x)
    everywhere, cpu = graphs(program, Precision.INT8)
    assert (len(grouped(everywhere)), len(grouped(cpu))) == (0, 1)
    ours, theirs = files(program, Precision.INT8)
    for image in (x, torch.randn(IMAGE)):
        np.testing.assert_array_equal(run(ours, image), run(theirs, image))
    assert partitions(ours) == partitions(theirs) == 1


def test_a_block_diagonal_weight_reads_its_own_group() -> None:
    weight = np.arange(1, 17, dtype=np.int8).reshape(4, 1, 1, 4)
    wide = block_diagonal(weight, 8)[:, 0, 0]
    np.testing.assert_array_equal(wide[:2], np.pad(weight[:2, 0, 0], ((0, 0), (0, 4))))
    np.testing.assert_array_equal(wide[2:], np.pad(weight[2:, 0, 0], ((0, 0), (4, 0))))


def test_slices_are_whole_groups_and_cover_all_channels() -> None:
    assert list(slices(64, 16)) == [(0, 64)]
    assert list(slices(288, 32)) == [(0, 64), (64, 64), (128, 64), (192, 64), (256, 32)]
    assert list(slices(240, 80)) == [(0, 80), (80, 80), (160, 80)]
    assert list(slices(96, 24)) == [(0, 48), (48, 48)]


@pytest.mark.parametrize(
    ("code", "quantization", "reads", "found"),
    [
        ("CONV_2D", Quantization(scales=(1.0,)), 4, True),
        ("CONV_2D", Quantization(scales=(1.0,)), 12, False),
        ("CONV_2D", None, 4, False),
        ("DEPTHWISE_CONV_2D", Quantization(scales=(1.0,)), 4, False),
    ],
    ids=["grouped", "dense", "floats", "depthwise"],
)
def test_only_grouped_int8_convolutions_are_found(
    code: str, quantization: Quantization | None, reads: int, found: bool
) -> None:
    inputs = (stored((1, 8, 8, 12), quantization), stored((6, 1, 1, reads), quantization), None)
    assert grouped_int8(Operation(code=code, inputs=inputs, output=stored((1, 8, 8, 6)), options={})) is found


def test_a_part_of_a_parameter_has_its_own_scales() -> None:
    parameter = replace(
        stored((4, 2), Quantization(scales=(1.0, 2.0, 3.0, 4.0))), data=np.arange(8, dtype=np.int8).reshape(4, 2)
    )
    part = outputs(parameter, 1, 2, 5)
    assert (part.name, part.shape, part.data.tolist()) == ("x/slice5", (2, 2), [[2, 3], [4, 5]])
    assert part.quantization == Quantization(scales=(2.0, 3.0))
    single = replace(parameter, quantization=Quantization(scales=(1.0,)))
    assert outputs(single, 1, 2, 0).quantization == Quantization(scales=(1.0,))
