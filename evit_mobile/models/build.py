"""From a ModelSpec to its reference module."""

from __future__ import annotations

from torch import nn

from evit_mobile.models.mit import EfficientViTMit, EfficientViTSegmenter
from evit_mobile.models.msra import EfficientViTMsra
from evit_mobile.models.variations import vary
from evit_mobile.spec import ModelSpec, MsraArchitecture, Task


def build_model(spec: ModelSpec) -> nn.Module:
    """Reference module of `spec` in fp32 and eval mode, freshly initialised.

    (B, 3, H, W) -> (B, classes), (B, classes, H/8, W/8) or (B, channels, H/32, W/32), as `spec.task` says.
    """
    if isinstance(spec.architecture, MsraArchitecture):
        model: nn.Module = EfficientViTMsra(spec.architecture, size=spec.size, num_classes=spec.num_classes)
    elif spec.task is Task.SEGMENTATION:
        model = EfficientViTSegmenter(spec.architecture, num_classes=spec.num_classes)
    else:
        model = EfficientViTMit(spec.architecture, num_classes=spec.num_classes)
    if spec.variation is not None:
        vary(model, spec.variation)
    return model.eval()
