"""The table of all variants, from their families' rows. Imports no torch."""

from __future__ import annotations

from dataclasses import replace

from converters.misspelt import did_you_mean
from evit_mobile.errors import UsageError
from evit_mobile.families import FAMILIES
from evit_mobile.families.architecture import Architecture as Architecture
from evit_mobile.families.architecture import ModelSpec as ModelSpec
from evit_mobile.families.architecture import Task as Task
from evit_mobile.families.architecture import Variation as Variation
from evit_mobile.families.architecture import check_size as check_size
from evit_mobile.families.family import Family

MODELS: dict[str, ModelSpec] = {spec.name: spec for family in FAMILIES for spec in family.variants}
"""Every variant."""

CLASSIFIERS = {name: spec for name, spec in MODELS.items() if spec.task is Task.CLASSIFICATION}
SEGMENTERS = {name: spec for name, spec in MODELS.items() if spec.task is Task.SEGMENTATION}


def find_spec(name: str, *, size: tuple[int, int] | None = None, num_classes: int | None = None) -> ModelSpec:
    """The variant called `name`, at another size or class count where given.

    Raises UsageError for a name that is not in the table or a size that is not a multiple of 32.
    """
    if name not in MODELS:
        do = did_you_mean(name, MODELS, "run `evit-mobile models` for the table")
        raise UsageError(got=f"model {name!r}", allowed=", ".join(MODELS), do=do)
    spec = MODELS[name]
    return replace(
        spec,
        size=spec.size if size is None else size,
        num_classes=spec.num_classes if num_classes is None else num_classes,
    )


def family_of(spec: ModelSpec) -> Family:
    """The row of its family."""
    return next(family for family in FAMILIES if family.name == spec.family)


def is_published(spec: ModelSpec) -> bool:
    """Whether the widths are the variant's; eps depend on the origin."""
    usual = MODELS[spec.name].architecture
    return spec.architecture.with_eps(usual.eps) == usual
