"""The first rule that fits the start of a name renames it; others stay."""

from __future__ import annotations

import re

import pytest

from evit_mobile.models.weights.layout import Layout, apply_rules, same, unchanged
from evit_mobile.spec import MODELS

RULES = (
    (re.compile(r"stages\.0\."), lambda _: "first."),
    (re.compile(r"stages\.(\d+)\."), lambda m: f"stage{int(m[1]) + 1}."),
    (re.compile(r"a"), lambda _: "b"),
)


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("stages.0.weight", "first.weight"),
        ("stages.1.weight", "stage2.weight"),
        ("stages.1.stages.2.weight", "stage2.stages.2.weight"),
        ("net.stages.0.weight", "net.stages.0.weight"),
        ("aaa", "baa"),
        ("", ""),
    ],
)
def test_a_name_is_renamed_once_at_its_start(name: str, renamed: str) -> None:
    assert apply_rules(RULES, name) == renamed
    assert apply_rules((), name) == name


def test_a_layout_is_timms_unless_it_says_otherwise() -> None:
    layout = Layout(origin="timm", family="msra", first=("a.weight",), rename=same)
    architecture = MODELS["efficientvit_b0"].architecture
    assert layout.rename("stages.0.weight") == "stages.0.weight"
    assert layout.adapt is unchanged
    assert layout.adapt(architecture) is architecture
    assert (layout.antialias, layout.trunk, layout.stages) == (True, (), False)
