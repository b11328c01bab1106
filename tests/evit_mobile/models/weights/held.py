"""State dicts that have names and shapes and no values, and variants held against them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evit_mobile.models.build import build_model
from evit_mobile.models.weights.match import Match
from evit_mobile.models.weights.template import template
from evit_mobile.spec import MODELS, Architecture

State = dict[str, Tensor]
CLASSES = 3


def shapes_of(name: str, architecture: Architecture | None = None) -> State:
    """The state dict of a variant for CLASSES classes, without memory."""
    spec = MODELS[name]
    with torch.device("meta"):
        return build_model(
            replace(spec, architecture=architecture or spec.architecture, num_classes=CLASSES)
        ).state_dict()


def folded(state: State, path: str, layer: str) -> State:
    """A state whose norm at `path` is in the layer beside it."""
    rest = {key: tensor for key, tensor in state.items() if not key.startswith(f"{path}.")}
    weight = state[f"{path}.{layer}.weight"]
    return {**rest, f"{path}.weight": weight, f"{path}.bias": torch.zeros(weight.shape[0])}


def held(
    name: str,
    *,
    sources: dict[str, str] | None = None,
    missing: Iterable[str] = (),
    surplus: Iterable[str] = (),
    misshapen: Iterable[Any] = (),
) -> Match:
    """A variant held against weights that differ from it so."""
    return Match(
        template=template(name),
        sources=sources or {},
        folded=frozenset(),
        missing=tuple(missing),
        surplus=tuple(surplus),
        misshapen=tuple(misshapen),
    )
