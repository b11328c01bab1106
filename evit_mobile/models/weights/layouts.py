"""How each origin names what our reference models name.

Our names are those of timm 1.0.31. A layout translates one of our names into the origin's, so that an error can speak
of the key that the user's file has or lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from evit_mobile.errors import CheckpointError
from evit_mobile.families import FAMILIES
from evit_mobile.families.family import imported
from evit_mobile.models.weights.layout import Layout

LAYOUTS: tuple[Layout, ...] = tuple(layout for family in FAMILIES for layout in imported(family.layouts))
"""Of all families; the first of each has our own names."""


def own_layout(family: str) -> Layout:
    """Our own names of a family's weights, which are timm's."""
    return next(layout for layout in LAYOUTS if layout.family == family)


FEATURES_ONLY = re.compile(r"(?:.*\.)?(?:stem_in_conv|stages_\d)\.")
"""timm's features_only models have the stages side by side, with other names."""


def find_layout(keys: Iterable[str]) -> tuple[Layout, str]:
    """The layout that names the keys, and the prefix before every name: "module.", "_orig_mod.model.", or "".

    Raises CheckpointError when no first convolution is found, or more than one network's.
    """
    keys = list(keys)
    side_by_side = [key for key in keys if FEATURES_ONLY.match(key)]
    if side_by_side:
        raise CheckpointError(
            got=f"weights of timm's features_only form, which gives several maps ({side_by_side[0]!r})",
            allowed="weights of a network with one output",
            do="save the state dict of the model created without features_only",
        )
    found = [first for key in keys if (first := first_convolution(key)) is not None]
    if not found:
        raise CheckpointError(
            got=f"{len(keys)} tensors, {', '.join(map(repr, keys[:3]))}{', ...' if len(keys) > 3 else ''}",
            allowed="the first convolution of an EfficientViT, under any prefix: "
            + ", ".join(first for layout in LAYOUTS for first in layout.first),
            do="check that this is a checkpoint of EfficientViT M0-M5, B0-B3 or L0-L3, of timm, MIT or Microsoft",
        )
    if len(found) > 1:
        raise CheckpointError(
            got=f"{len(found)} networks, under {', '.join(repr(prefix or 'no prefix') for _, prefix in found)}",
            allowed="one network",
            do="save the state dict of the one to convert",
        )
    return found[0]


def first_convolution(key: str) -> tuple[Layout, str] | None:
    """The layout whose first convolution `key` is, and the prefix before it. Of names that contain each other, as with
    and without "backbone.", the longest counts.
    """
    fitting = [
        (len(first), layout, key.removesuffix(first))
        for layout in LAYOUTS
        for first in layout.first
        if key == first or key.endswith("." + first)
    ]
    return max(fitting, key=lambda fit: fit[0])[1:] if fitting else None
