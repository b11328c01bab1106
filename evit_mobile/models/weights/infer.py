"""Widths of a pruned model, read off its tensors: one of the published variants in everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from evit_mobile.models.build import build_model
from evit_mobile.models.pruned import hidden_of
from evit_mobile.spec import Architecture, ModelSpec


def inferred(spec: ModelSpec, sources: Mapping[str, str], state: Mapping[str, Tensor]) -> Architecture | None:
    """The architecture of `spec` with the widths that the tensors have, `sources` being our names of the keys in `state`; None where a
    name is absent or no model has such widths.
    """

    def side(name: str, axis: int = 0) -> int:
        return int(state[sources[name]].shape[axis])

    try:
        found = spec.architecture.with_widths_of(side)
        if not found.possible:
            return None
        with torch.device("meta"):
            model = build_model(replace(spec, architecture=found))
        return replace(found, hidden=hidden_of(model, found, side))
    except (KeyError, IndexError, ValueError):
        return None
