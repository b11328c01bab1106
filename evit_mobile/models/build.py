"""From a ModelSpec to its reference module."""

from __future__ import annotations

from torch import nn

from evit_mobile.models.mit import EfficientViTMit
from evit_mobile.models.msra import EfficientViTMsra
from evit_mobile.models.variations import vary
from evit_mobile.spec import ModelSpec, MsraArchitecture


def build_model(spec: ModelSpec) -> nn.Module:
    """Reference module of `spec` in fp32 and eval mode, freshly initialised: (B, 3, H, W) -> (B, classes)."""
    if isinstance(spec.architecture, MsraArchitecture):
        model: nn.Module = EfficientViTMsra(spec.architecture, size=spec.size, num_classes=spec.num_classes)
    else:
        model = EfficientViTMit(spec.architecture, num_classes=spec.num_classes)
    if spec.variation is not None:
        vary(model, spec.variation)
    return model.eval()
