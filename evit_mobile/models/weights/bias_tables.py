"""The tables of attention biases of M0-M5: their sides tell the input size, and another size has others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.msra import PATCH_STRIDE, attention_bias_index, window_resolutions
from evit_mobile.models.weights.trained_size import TrainedSize, listed, pixels

if TYPE_CHECKING:
    from evit_mobile.models.weights.match import Match

BIAS_TABLE = "attention_biases"
BIAS_INDEX = "attention_bias_idxs"
LARGEST_SIDE = 2048


def trained_size(match: Match, state: Mapping[str, Tensor], recorded: tuple[int, int] | None) -> TrainedSize:
    """What the tables tell, or of several such sizes the one that was `recorded`. Raises CheckpointError for tables that no input size
    makes.
    """
    spec, architecture = match.template.spec, match.template.spec.architecture
    assert isinstance(architecture, MsraArchitecture)

    def windows(size: tuple[int, int]) -> tuple[int, ...]:
        return window_resolutions(architecture, size)

    sides = window_sides(match, state)
    sizes = [s for s in range(PATCH_STRIDE, LARGEST_SIDE + 1, PATCH_STRIDE) if windows((s, s)) == sides]
    if not sizes:
        raise CheckpointError(
            got=f"bias tables of windows of {listed(sides)} cells in the three stages",
            allowed="windows that one input size makes, such as 7, 7, 4 at 224x224",
            do="save the weights again",
        )
    if recorded is not None and windows(recorded) == sides:
        return TrainedSize(
            size=recorded, note=f"input size {pixels(recorded)}, as stated with the weights", windows=windows
        )
    usable = [side for side in sizes if side % 32 == 0] or sizes
    side = spec.size[0] if spec.size[0] in usable else usable[0]
    alike = [other for other in usable if other != side]
    note = f"input size {side}x{side}, from the bias tables"
    if alike:
        note = f"bias tables alike at {side} and {listed(alike[:3])} pixels; {side} is used"
    if recorded is not None:
        note = f"{pixels(recorded)}, the input size stated with the weights, is not that of their bias tables; {note}"
    return TrainedSize(size=(side, side), note=note, windows=windows)


def window_sides(match: Match, state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Window side of each stage of an M model, in cells, from the entries of its bias tables.

    Raises CheckpointError for a table that is not square or differs within its stage.
    """
    sides: dict[str, int] = {}
    for name, key in match.sources.items():
        if name.endswith(BIAS_TABLE):
            entries = state[key].shape[1]
            side = math.isqrt(entries)
            if side * side != entries or sides.setdefault(_stage(name), side) != side:
                raise CheckpointError(
                    got=f"a bias table of {entries} entries a head in {key!r}",
                    allowed="a square number of entries, the same in every block of a stage",
                    do="save the weights again",
                )
    return tuple(sides[stage] for stage in sorted(sides))


def _stage(name: str) -> str:
    return name.split(".")[1]


def resized_bias_table(table: Tensor, entries: int, *, antialias: bool) -> Tensor:
    """Bias table of another window: (heads, S*S) -> (heads, `entries`), bicubic over the two offsets, as upstream.

    With antialiasing timm/layers/pos_embed_rel.py resize_rel_pos_bias_table_levit; without, microsoft/Cream
    EfficientViT/classification/utils.py load_model@4a13c40.
    """
    heads, old = table.shape
    if old == entries:
        return table
    old_side, side = math.isqrt(old), math.isqrt(entries)
    square = table.view(1, heads, old_side, old_side)
    return F.interpolate(square, size=(side, side), mode="bicubic", antialias=antialias).view(heads, entries)


def check_indices(match: Match, state: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where the file stores the index into a bias table and it differs from ours."""
    for key in (key for name, key in match.sources.items() if name.endswith(BIAS_TABLE)):
        index = state.get(key.removesuffix(BIAS_TABLE) + BIAS_INDEX)
        if index is not None and not torch.equal(index.cpu(), attention_bias_index(math.isqrt(state[key].shape[1]))):
            raise CheckpointError(
                got=f"an index other than Microsoft's into the bias table {key!r}",
                allowed="offsets numbered row by row",
                do="save the weights again from the original model",
            )
