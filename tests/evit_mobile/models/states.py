"""Weights as files have them, of fresh models."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from evit_mobile.models.build import build_model
from evit_mobile.spec import MODELS

State = dict[str, Tensor]
CLASSES = 3


def fresh(name: str, side: int = 224) -> State:
    """The state dict of a variant for CLASSES classes."""
    return build_model(replace(MODELS[name], size=(side, side), num_classes=CLASSES)).state_dict()
