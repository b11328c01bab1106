"""The table of variants: found by name, at another size or class count, never quietly something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.families import FAMILIES
from evit_mobile.spec import CLASSIFIERS, MODELS, SEGMENTERS, Task, family_of, find_spec, is_published


@pytest.mark.parametrize("size", [(100, 100), (224, 230), (0, 224), (-32, 32)])
def test_a_size_that_is_no_multiple_of_32_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="multiples of 32"):
        find_spec("efficientvit_m0", size=size)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="efficientvit_l3"):
        find_spec("efficientvit_m9")


@pytest.mark.parametrize(
    ("spelled", "meant"), [("m4", "efficientvit_m4"), ("efficientvit-b1", "efficientvit_b1"), ("B2", "efficientvit_b2")]
)
def test_a_misspelt_name_is_answered_with_the_nearest(spelled: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"got model '{spelled}'.*did you mean {meant}"):
        find_spec(spelled)


def test_what_is_given_replaces_the_variants_own() -> None:
    usual = find_spec("efficientvit_b1")
    assert usual == MODELS["efficientvit_b1"]
    found = find_spec("efficientvit_b1", size=(64, 96), num_classes=1)
    assert found == replace(usual, size=(64, 96), num_classes=1)
    with pytest.raises(UsageError, match="0 classes; allowed: at least one"):
        find_spec("efficientvit_b1", num_classes=0)


def test_the_table_is_every_familys_and_names_are_its_keys() -> None:
    assert [name for name, spec in MODELS.items() if name != spec.name] == []
    assert len(MODELS) == sum(len(family.variants) for family in FAMILIES)
    assert CLASSIFIERS.keys() & SEGMENTERS.keys() == set()
    assert all(MODELS[name].task is Task.SEGMENTATION for name in SEGMENTERS)
    assert all(spec in family_of(spec).variants for spec in MODELS.values())


def test_pruned_widths_are_not_published_and_another_eps_is() -> None:
    spec = find_spec("efficientvit_b0", size=(64, 64), num_classes=3)
    assert is_published(spec)
    other = {name: 2 * value + 1e-9 for name, value in spec.architecture.eps.items()}
    assert other
    assert is_published(replace(spec, architecture=spec.architecture.with_eps(other)))
    first, *rest = spec.architecture.widths
    pruned = replace(spec.architecture, widths=(first - 1, *rest))
    assert not is_published(replace(spec, architecture=pruned))
