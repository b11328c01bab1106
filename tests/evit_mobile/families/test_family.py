"""A row of the table of families: what it spells is there, and what it leaves out has its default."""

from __future__ import annotations

import math

import pytest

from evit_mobile.families import FAMILIES
from evit_mobile.families.family import Family, imported
from evit_mobile.spec import MODELS


def test_a_spelled_name_is_imported_from_its_module() -> None:
    assert imported("math:pi") == math.pi
    assert imported("evit_mobile.families.family:Family") is Family


@pytest.mark.parametrize(
    ("spelled", "error"),
    [("evit_mobile.families.gone:Family", ModuleNotFoundError), ("evit_mobile.families.family:Gone", AttributeError)],
)
def test_what_is_not_there_is_an_error_when_it_is_used(spelled: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"[gG]one"):
        imported(spelled)


def test_by_default_a_model_sees_the_whole_image_and_has_the_size_that_is_stated() -> None:
    rows = [Family(name=name, variants=(), build="a:b", costs="a:c", layouts="a:d", passes="a:e") for name in "xy"]
    assert rows[0].crops_like(MODELS["efficientvit_m0"]) is None
    assert dict(rows[0].crops) == {}
    assert rows[0].crops is not rows[1].crops
    assert rows[0].hidden is None
    assert imported(rows[0].trained_size).__name__ == "stated_size"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_everything_that_a_row_spells_is_there(family: Family) -> None:
    assert callable(imported(family.build))
    assert callable(imported(family.costs))
    assert callable(imported(family.trained_size))
    assert all(layout.family == family.name for layout in imported(family.layouts))
    assert imported(family.passes)
    assert family.hidden is not None
    assert imported(family.hidden)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_crops_are_shares_of_known_variants(family: Family) -> None:
    """A variant without a row of its own takes that of one that has one."""
    assert set(family.crops) <= {spec.name for spec in family.variants}
    assert all(0 < share <= 1 and size % 32 == 0 for row in family.crops.values() for size, share in row.items())
    assert {family.crops_like(spec) for spec in family.variants} - {None} <= set(family.crops)
