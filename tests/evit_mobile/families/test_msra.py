"""The rows of Microsoft's variants: widths as tensors tell them, and which widths a model can have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evit_mobile.families.msra import VARIANTS, MsraArchitecture

SHAPES = {
    "stages.0.blocks.0.dw0.m.conv.weight": (48, 1, 3, 3),
    "stages.1.blocks.0.dw0.m.conv.weight": (96, 1, 3, 3),
    "stages.2.blocks.0.dw0.m.conv.weight": (160, 1, 3, 3),
    "stages.0.blocks.0.mixer.m.attn.dws.0.conv.weight": (12, 1, 5, 5),
}
M0 = VARIANTS[0].architecture
assert isinstance(M0, MsraArchitecture)


def test_widths_and_keys_are_those_of_the_tensors() -> None:
    found = M0.with_widths_of(lambda name, axis=0: SHAPES[name][axis])
    assert found == replace(M0, widths=(48, 96, 160), key_dim=12)
    assert found.channels == found.embedding == 160


def test_tensors_that_do_not_tell_are_an_error() -> None:
    lacking = {name: shape for name, shape in SHAPES.items() if "dws" not in name}
    with pytest.raises(KeyError, match="dws"):
        M0.with_widths_of(lambda name, axis=0: lacking[name][axis])


def test_the_width_of_keys_is_said_with_what_it_scales() -> None:
    words = replace(M0, key_dim=8).in_words()
    assert words == {"widths": "64, 128, 192", "key_dim": "keys of 8 channels (attention scaled by 8**-0.5)"}


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({}, True),
        ({"widths": (66, 128, 192)}, False),
        ({"widths": (64, 128, 190)}, False),
        ({"widths": (8, 4, 4)}, True),
        ({"widths": (4, 128, 192)}, False),
        ({"key_dim": 1}, True),
        ({"key_dim": 0}, False),
        ({"heads": (4, 3, 4)}, False),
    ],
)
def test_heads_divide_the_widths_that_they_attend_in(changes: dict[str, Any], possible: bool) -> None:
    """The patch embedding begins with an eighth of the first width."""
    assert replace(M0, **changes).possible is possible


@pytest.mark.parametrize("spec", VARIANTS, ids=lambda spec: spec.name)
def test_every_head_of_a_published_variant_has_a_kernel(spec: Any) -> None:
    architecture = spec.architecture
    assert architecture.possible
    assert len(architecture.kernels) >= max(architecture.heads)
