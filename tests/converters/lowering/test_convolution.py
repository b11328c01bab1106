"""Convolutions over packs of pixels compute the same numbers, and are chosen only where they fit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from converters.lowering.convolution import Convolution, by_channels, fill_tiles, needed_padding, over_packs
from converters.lowering.values import Constant, Quantization


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, width: int, *, depthwise: bool = False
) -> Convolution:
    groups = inputs if depthwise else 1
    codes = torch.randint(-127, 128, (outputs, inputs // groups, kernel, kernel), dtype=torch.int8)
    padding = needed_padding(width, kernel, stride, kernel // 2, 1)
    quantization = Quantization(scales=tuple(float(channel + 1) for channel in range(outputs)))
    return Convolution(
        weight=Constant(codes.float(), codes, quantization),
        bias=Constant(torch.randn(outputs)),
        stride=(stride, stride),
        padding=(padding, padding),
        dilation=(1, 1),
        groups=groups,
    )


def apply(convolution: Convolution, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Runs it on x (B, H, W, C), stored as both runtimes store it: packs of pixels are a view."""
    batch, height, width, channels = x.shape
    pixels = convolution.input_pixels
    x = x.reshape(batch, height, width // pixels, pixels * channels).permute(0, 3, 1, 2)
    (top, bottom), (left, right) = convolution.padding
    assert convolution.bias is not None
    x = F.pad(x, (left, right, top, bottom))
    y = F.conv2d(x, weight, convolution.bias.value, convolution.stride, groups=convolution.groups)
    outputs = y.shape[1] // convolution.output_pixels
    return y.permute(0, 2, 3, 1).reshape(batch, y.shape[2], -1, outputs)


CASES = {
    "stem": (3, 8, 3, 2, 24, False),
    "wider stem": (3, 24, 3, 2, 24, False),
    "pointwise": (8, 8, 1, 1, 12, False),
    "depthwise": (8, 8, 3, 1, 12, True),
    "strided depthwise": (8, 8, 3, 2, 12, True),
    "5x5": (4, 6, 5, 1, 12, False),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers(case: str) -> None:
    inputs, outputs, kernel, stride, width, depthwise = CASES[case]
    torch.manual_seed(0)
    plain = convolution(inputs, outputs, kernel, stride, width, depthwise=depthwise)
    filled = fill_tiles(plain, width)
    assert filled.input_pixels > 1
    x = torch.randn(2, 10, width, inputs)
    assert torch.allclose(apply(filled, x, filled.weight.value), apply(plain, x, plain.weight.value), atol=1e-3)
    assert filled.weight.codes is not None
    assert filled.weight.quantization is not None
    assert plain.weight.quantization is not None
    assert torch.equal(filled.weight.codes.float(), filled.weight.value)
    assert filled.weight.quantization.scales == plain.weight.quantization.scales * filled.output_pixels
    assert not filled.depthwise


@pytest.mark.parametrize(("input_pixels", "output_pixels"), [(1, 2), (1, 4), (2, 2), (4, 2), (8, 4), (2, 1)])
def test_any_pack_that_divides(input_pixels: int, output_pixels: int) -> None:
    torch.manual_seed(0)
    plain = convolution(3, 4, 3, 2, 32)
    filled = over_packs(plain, input_pixels, output_pixels, 32)
    x = torch.randn(1, 6, 32, 3)
    assert torch.allclose(apply(filled, x, filled.weight.value), apply(plain, x, plain.weight.value), atol=1e-3)


def test_packs_that_lie_channel_by_channel() -> None:
    """Values 0 to 11 of a pack are pixel 0's three channels, then pixel 1's; by channels they are 0, 3, 6, 9, 1, 4, ..."""
    torch.manual_seed(0)
    filled = fill_tiles(convolution(3, 8, 3, 2, 24), 24)
    exchanged = by_channels(filled)
    places = torch.arange(12).view(4, 3).t().flatten()
    assert torch.equal(exchanged.weight.value, filled.weight.value[:, places])
    assert exchanged.weight.codes is not None
    assert torch.equal(exchanged.weight.codes.float(), exchanged.weight.value)
    assert exchanged.weight.quantization == filled.weight.quantization
    assert exchanged.padding == filled.padding


@pytest.mark.parametrize(
    ("plain", "width"),
    [
        (convolution(16, 16, 3, 1, 12), 12),  # fills a tile already
        (convolution(3, 8, 3, 2, 30), 30),  # the width is no multiple of four pixels
        (convolution(8, 8, 1, 1, 7), 7),
    ],
    ids=["wide", "odd packs", "odd width"],
)
def test_others_are_left_alone(plain: Convolution, width: int) -> None:
    assert fill_tiles(plain, width) is plain
