"""From a ModelSpec to its reference module."""

from __future__ import annotations

from torch import nn

from evit_mobile.families.family import imported
from evit_mobile.models.pruned import resize_hidden
from evit_mobile.models.variations import vary
from evit_mobile.spec import ModelSpec, family_of


def build_model(spec: ModelSpec) -> nn.Module:
    """Reference module of `spec` in fp32 and eval mode, freshly initialised.

    (B, channels, H, W) -> (B, classes), (B, classes, H/8, W/8) or (B, channels, H/32, W/32), as `spec.task` says.
    """
    model: nn.Module = imported(family_of(spec).build)(spec)
    resize_hidden(model, spec.architecture)
    if spec.variation is not None:
        vary(model, spec.variation)
    if spec.channels != 3:
        take_channels(model, spec.channels)
    return model.eval()


def take_channels(model: nn.Module, channels: int) -> None:
    """Gives a reference model, in place, a first convolution for images of so many channels."""
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    first.in_channels = channels
    first.weight = nn.Parameter(first.weight.new_empty(first.out_channels, channels, *first.kernel_size))
    first.reset_parameters()
