"""Two-dimensional convolutions as both runtimes take them, and a form for few channels that fills XNNPACK's int8 tiles.

XNNPACK computes 16 or more output channels at a time, and in int8 reads inputs in groups of up to 8 channels. A convolution with fewer
wastes the rest. Neighbouring pixels of a row lie beside each other in NHWC, so R input pixels of C channels can be read as one of R C
channels, and P output pixels written as one of P O channels; the weights repeat, with zeros where a tap does not belong to an output.
Only the shapes of tensors change, not their contents. Output pixel P X + a, tap t reads the input pixel s (P X + a) + t - p, for stride
s and padding p.

Shapes as in PyTorch: weight (O, I/groups, kh, kw), bias (O).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.fx import Node

from converters.lowering.products import pair
from converters.lowering.program import arguments
from converters.lowering.values import Constant

TILE = 16
"""Output channels that XNNPACK computes at a time, at least."""

INT8_GROUP = 8
"""Input channels that its int8 kernels read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """Parameters of one convolution. `padding` is (before, after) of what is really read, for height and width.

    `input_pixels` and `output_pixels` are R and P: how many pixels of a row the channels of the weight stand for.
    """

    weight: Constant
    bias: Constant | None
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    groups: int
    input_pixels: int = 1
    output_pixels: int = 1

    @property
    def kernel(self) -> tuple[int, int]:
        """(kh, kw)."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def depthwise(self) -> bool:
        """Whether every input channel has filters of its own."""
        return self.groups > 1 and self.weight.shape[1] == 1


def read_convolution(node: Node, weight: Constant, bias: Constant | None) -> Convolution:
    """The parameters of an aten.conv2d."""
    named = arguments(node)
    stride, padding, dilation = (pair(named[name]) for name in ("stride", "padding", "dilation"))
    sizes = [int(size) for size in named["input"].meta["val"].shape[2:]]
    before = zip(sizes, weight.shape[2:], stride, padding, dilation, strict=True)
    height, width = (needed_padding(*axis) for axis in before)
    return Convolution(
        weight=weight,
        bias=bias,
        stride=stride,
        padding=(height, width),
        dilation=dilation,
        groups=int(named["groups"]),
    )


def needed_padding(size: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """(before, after) that PyTorch's convolution really reads along one axis."""
    extent = dilation * (kernel - 1) + 1
    outputs = (size + 2 * padding - extent) // stride + 1
    return padding, max(0, (outputs - 1) * stride + extent - size - padding)


def fill_tiles(convolution: Convolution, width: int) -> Convolution:
    """An int8 `convolution` over packs of pixels where that is faster, for an input of `width` pixels; else as it is.

    Measured on x86 with AVX-512 VNNI. In float, where there are no groups of inputs, packs gain nothing.
    """
    outputs, stride = convolution.weight.shape[0], convolution.stride[1]
    dense = convolution.groups == 1
    one_to_one = convolution.depthwise and convolution.groups == outputs
    if convolution.dilation != (1, 1) or not (dense or one_to_one):
        return convolution
    inputs = convolution.weight.shape[1] * convolution.groups
    pixels = 2 if 2 * outputs <= TILE and inputs <= INT8_GROUP else 1
    worthwhile = pixels > 1 or (inputs < INT8_GROUP and stride > 1)
    before, after = convolution.padding[1]
    columns = (width + before + after - convolution.kernel[1]) // stride + 1
    if not worthwhile or width % (pixels * stride) or columns % pixels:
        return convolution
    return over_packs(convolution, pixels * stride, pixels, width)


def over_packs(convolution: Convolution, input_pixels: int, output_pixels: int, width: int) -> Convolution:
    """The same convolution reading `input_pixels` (a divisor of stride times `output_pixels`) and writing `output_pixels` at once."""
    step = convolution.stride[1]
    before, after = convolution.padding[1]
    reach = range(-before, step * (output_pixels - 1) + convolution.kernel[1] - before)
    first, last = reach[0] // input_pixels, reach[-1] // input_pixels
    stride = step * output_pixels // input_pixels

    def packed(weight: Tensor) -> Tensor:
        outputs, _, height, taps = weight.shape
        if convolution.groups > 1:
            weight = torch.diag_embed(weight.permute(1, 2, 3, 0)).squeeze(0).permute(2, 3, 0, 1)
        inputs = weight.shape[1]
        result = weight.new_zeros(output_pixels, outputs, input_pixels, inputs, height, last - first + 1)
        for pixel in range(output_pixels):
            for tap in range(taps):
                column, lane = divmod(step * pixel + tap - before, input_pixels)
                result[pixel, :, lane, :, :, column - first] = weight[:, :, :, tap]
        return result.flatten(2, 3).flatten(0, 1)

    def repeated(constant: Constant | None) -> Constant | None:
        return None if constant is None else Constant(constant.value.repeat(output_pixels))

    weight = convolution.weight
    quantization = weight.quantization
    columns, outputs = width // input_pixels, (width + before + after - convolution.kernel[1]) // step + 1
    right = (outputs // output_pixels - 1) * stride + (last - first + 1) - columns + first
    return replace(
        convolution,
        weight=Constant(
            packed(weight.value),
            None if weight.codes is None else packed(weight.codes),
            quantization and replace(quantization, scales=quantization.scales * output_pixels),
        ),
        bias=repeated(convolution.bias),
        stride=(convolution.stride[0], stride),
        padding=(convolution.padding[0], (-first, max(0, right))),
        groups=1,
        input_pixels=input_pixels,
        output_pixels=output_pixels,
    )


def by_channels(convolution: Convolution) -> Convolution:
    """The same convolution over packs of pixels that lie channel by channel, not pixel by pixel."""
    pixels = convolution.input_pixels

    def exchanged(weight: Tensor) -> Tensor:
        outputs, inputs, height, taps = weight.shape
        return weight.reshape(outputs, pixels, -1, height, taps).transpose(1, 2).reshape(outputs, inputs, height, taps)

    weight = convolution.weight
    codes = None if weight.codes is None else exchanged(weight.codes)
    return replace(convolution, weight=replace(weight, value=exchanged(weight.value), codes=codes))
