"""Convolutions: which operation each becomes, with PyTorch's numbers in the schema's fields, and the right values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from tests.converters.executorch.executorch_helpers import content, run
from tests.lazily import Lazily
from tests.lowering_helpers import export, quantize, relative_error

convolutions = Lazily("converters.executorch.emit.convolution")
lowering = Lazily("converters.executorch.lower")
layers = Lazily("converters.lowering.convolution")
values = Lazily("converters.lowering.values")

X = torch.randn(1, 6, 7, 8, generator=torch.Generator().manual_seed(0))


def layer(**options: Any) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Conv2d(**{"in_channels": 6, "out_channels": 4, "kernel_size": 3, **options})


def written(module: nn.Module, precision: Precision = Precision.FP32, x: torch.Tensor = X) -> Any:
    """The only layer that the program has in XNNPACK's terms."""
    program = export(module, x)
    program = quantize(program, x) if precision is Precision.INT8 else program
    operations = lowering.to_graph(program, precision).operations
    (found,) = [one for one in operations if one.kind in ("Conv2d", "DepthwiseConv2d", "FullyConnected")]
    return found


def first_transpose(program: Any, precision: Precision) -> Any:
    """What brings the input into the order of convolutions; another one brings the result back."""
    operations = lowering.to_graph(program, precision).operations
    return next(one for one in operations if one.kind == "StaticTranspose")


@pytest.mark.parametrize(
    ("options", "kind", "weight", "fields"),
    [
        ({"padding": (1, 2)}, "Conv2d", (4, 3, 3, 6), {"padding_top": 1, "padding_left": 2}),
        ({"stride": (2, 1)}, "Conv2d", (4, 3, 3, 6), {"subsampling_height": 2, "subsampling_width": 1}),
        (
            {"kernel_size": (1, 2), "dilation": (1, 3)},
            "Conv2d",
            (4, 1, 2, 6),
            {"kernel_height": 1, "kernel_width": 2, "dilation_width": 3, "dilation_height": 1},
        ),
        (
            {"groups": 2},
            "Conv2d",
            (4, 3, 3, 3),
            {"groups": 2, "group_input_channels": 3, "group_output_channels": 2},
        ),
        (
            {"groups": 6, "out_channels": 12},
            "DepthwiseConv2d",
            (1, 3, 3, 12),
            {"groups": 6, "group_output_channels": 2},
        ),
    ],
    ids=str,
)
def test_floats(options: dict[str, Any], kind: str, weight: tuple[int, ...], fields: dict[str, int]) -> None:
    module = layer(**options)
    found = written(module)
    assert (found.kind, found.inputs["filter_id"].shape) == (kind, weight)
    assert fields.items() <= found.fields.items()
    assert relative_error(run(content(export(module, X)), X), module(X)) < 1e-5


def test_padding_that_no_pixel_reads_is_left_out() -> None:
    """Rows 0 to 6 with a step of 2 and padding of 1: the last window begins at row 5, and ends with row 7, which is padding; of 8
    columns it ends with column 7, which is none.
    """
    fields = written(layer(stride=2, padding=1)).fields
    assert (fields["padding_top"], fields["padding_bottom"]) == (1, 1)
    assert (fields["padding_left"], fields["padding_right"]) == (1, 0)


@pytest.mark.parametrize(
    ("options", "pointwise"),
    [({}, True), ({"stride": 2}, False), ({"padding": 1}, False), ({"groups": 2}, False), ({"kernel_size": 3}, False)],
    ids=str,
)
def test_in_half_precision_what_treats_every_pixel_on_its_own_is_a_linear_layer(
    options: dict[str, Any], pointwise: bool
) -> None:
    """XNNPACK wants a convolution's weights in float32; a linear layer's take half the room."""
    module = layer(**{"kernel_size": 1, **options})
    found = written(module, Precision.FP16)
    assert found.kind == ("FullyConnected" if pointwise else "Conv2d")
    assert found.inputs["filter_id"].data.dtype == (np.float16 if pointwise else np.float32)
    assert relative_error(run(content(export(module, X), Precision.FP16), X), module(X)) < 4e-3


def test_a_clamp_is_part_of_the_layer() -> None:
    found = written(nn.Sequential(layer(), nn.ReLU6()))
    assert found.clamp == (0.0, 6.0)
    assert found.output.shape == (1, 5, 6, 4)


@pytest.mark.parametrize(("columns", "packs"), [(8, 2), (7, 1)])
def test_few_int8_channels_are_read_and_written_in_packs_of_pixels(columns: int, packs: int) -> None:
    """Four outputs fill a quarter of a tile of sixteen; an odd number of columns has no pairs."""
    module, x = layer(padding=1), X[..., :columns].contiguous()
    found = written(module, Precision.INT8, x)
    assert found.output.shape == (1, 7, columns // packs, 4 * packs)
    assert found.inputs["filter_id"].data.dtype == np.int8
    assert found.inputs["bias_id"].data.dtype == np.int32
    program = quantize(export(module, x), x)
    assert relative_error(run(content(program, Precision.INT8), x), program.module(check_guards=False)(x)) < 1 / 100


@pytest.mark.parametrize(("outputs", "pack"), [(8, 4), (24, 2)], ids=["pairs written", "wide"])
def test_planes_of_codes_move_a_pack_of_pixels_at_a_time(outputs: int, pack: int) -> None:
    """An image comes as three planes, and XNNPACK moves 32 bits in a row faster than 8."""
    module = layer(in_channels=3, out_channels=outputs, stride=2, padding=1)
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    program = quantize(export(module, x), x)
    moved = first_transpose(program, Precision.INT8)
    assert moved.output.dtype == "qint8"
    assert moved.output.shape == (1, 64 // pack, 3, pack)
    assert relative_error(run(content(program, Precision.INT8), x), program.module(check_guards=False)(x)) < 1 / 100


def test_planes_of_floats_move_a_pixel_at_a_time() -> None:
    assert first_transpose(export(layer(), X), Precision.FP32).output.shape == (1, 7, 8, 6)


def test_pointwise_is_by_kernel_stride_padding_and_groups() -> None:
    plain = layers.Convolution(
        weight=values.Constant(torch.zeros(4, 6, 1, 1)),
        bias=None,
        stride=(1, 1),
        padding=((0, 0), (0, 0)),
        dilation=(2, 2),
        groups=1,
    )
    assert convolutions.is_pointwise(plain), "a dilation of a single pixel says nothing"
    assert not convolutions.is_pointwise(layers.replace(plain, padding=((0, 0), (0, 1))))
