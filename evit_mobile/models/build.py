"""From a ModelSpec to its reference module."""

from __future__ import annotations

from torch import nn

from evit_mobile.families.family import imported
from evit_mobile.models.variations import vary
from evit_mobile.spec import ModelSpec, family_of


def build_model(spec: ModelSpec) -> nn.Module:
    """Reference module of `spec` in fp32 and eval mode, freshly initialised.

    (B, 3, H, W) -> (B, classes), (B, classes, H/8, W/8) or (B, channels, H/32, W/32), as `spec.task` says.
    """
    model: nn.Module = imported(family_of(spec).build)(spec)
    if spec.variation is not None:
        vary(model, spec.variation)
    return model.eval()
