"""Channels within a block, between two of its layers, and how a block gets others than its stage's width makes them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import nn

from evit_mobile.models.layers import ConvNorm, ConvNormAct


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Channels within blocks of one type. Layers are named by their paths in the block.

    The outputs of `gives` are these channels; `along` takes and gives them in groups of fixed width, each depthwise convolution of one;
    `takes` reads them, or that `share` of them.
    """

    block: type[nn.Module]
    gives: tuple[str, ...]
    along: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    share: Fraction = Fraction(1)

    def resize(self, block: nn.Module, count: int) -> None:
        """Gives `block` so many of these channels, in place, with fresh weights. Raises ValueError for a number that it cannot have."""
        read = count * self.share
        if count < 1 or read.denominator > 1:
            raise ValueError(f"{count} channels")
        for path in (*self.gives, *self.along):
            layer = block.get_submodule(path)
            convolution = convolution_of(layer)
            if path in self.along:
                take(convolution, count)
            give(layer, convolution, count)
        for path in self.takes:
            take(convolution_of(block.get_submodule(path)), int(read))


def convolution_of(layer: nn.Module) -> nn.Conv2d:
    convolution = layer.conv if isinstance(layer, ConvNorm | ConvNormAct) else layer
    assert isinstance(convolution, nn.Conv2d)
    return convolution


def give(layer: nn.Module, convolution: nn.Conv2d, count: int) -> None:
    """Gives a layer, in place, so many outputs."""
    convolution.out_channels = count
    renew(convolution)
    for name, norm in layer.named_children():
        if isinstance(norm, nn.BatchNorm2d):
            setattr(layer, name, nn.BatchNorm2d(count, eps=norm.eps, device=norm.weight.device))


def take(convolution: nn.Conv2d, count: int) -> None:
    """Gives a convolution, in place, so many inputs; where it has groups, of the width that they have."""
    if convolution.groups > 1:
        width = convolution.in_channels // convolution.groups
        if count % width:
            raise ValueError(f"{count} channels in groups of {width}")
        convolution.groups = count // width
    convolution.in_channels = count
    renew(convolution)


def renew(convolution: nn.Conv2d) -> None:
    """Fresh weights for the channels that a convolution has now."""
    outputs, inputs = convolution.out_channels, convolution.in_channels // convolution.groups
    convolution.weight = nn.Parameter(convolution.weight.new_empty(outputs, inputs, *convolution.kernel_size))
    if convolution.bias is not None:
        convolution.bias = nn.Parameter(convolution.bias.new_empty(outputs))
    convolution.reset_parameters()
