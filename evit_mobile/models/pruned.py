"""Models that were pruned block by block: where they may have other channels, and how many tensors say that they have."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from evit_mobile.families import FAMILIES
from evit_mobile.families.architecture import Architecture, Side
from evit_mobile.families.family import imported
from evit_mobile.models.hidden import Hidden, convolution_of


def places(model: nn.Module, architecture: Architecture) -> Iterator[tuple[str, nn.Module, Hidden]]:
    """(path of the layer that gives them, block, kind) of all channels within the blocks of a reference model."""
    spelled = next(family for family in FAMILIES if family.name == architecture.family).hidden
    kinds: tuple[Hidden, ...] = () if spelled is None else imported(spelled)
    for path, block in model.named_modules():
        inside = {name for name, _ in block.named_modules()}
        for kind in kinds:
            if isinstance(block, kind.block) and inside.issuperset((*kind.gives, *kind.along, *kind.takes)):
                yield f"{path}.{kind.gives[0]}", block, kind


def resize_hidden(model: nn.Module, architecture: Architecture) -> None:
    """Gives the blocks of a reference model, in place, the channels within that `architecture` has."""
    wanted = dict(architecture.hidden)
    for path, block, kind in list(places(model, architecture)) if wanted else ():
        if path in wanted:
            kind.resize(block, wanted[path])


def hidden_of(model: nn.Module, architecture: Architecture, side: Side) -> tuple[tuple[str, int], ...]:
    """The channels within blocks that tensors have, where `model` has others. Raises ValueError for a number that no model has."""
    found = []
    for path, block, kind in list(places(model, architecture)):
        layer = block.get_submodule(kind.gives[0])
        key = f"{path}.weight" if isinstance(layer, nn.Conv2d) else f"{path}.conv.weight"
        count = side(key)
        if count != convolution_of(layer).out_channels:
            kind.resize(block, count)
            found.append((path, count))
    return tuple(found)
