"""What a family is: a row that says where its models come from. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from evit_mobile.families.architecture import ModelSpec


def whole_image(_: ModelSpec) -> None:
    """No published weights have crops for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The models of one paper. What needs torch is spelled "module:name" and imported on use.

    `name` is that of manifests. `build` makes the reference module of a ModelSpec, `costs` lists what each of its layers costs
    (`models.costs.Cost`). `layouts` are the names that its weights have in files of each origin (`models.weights.layout.Layout`), ours
    first. `passes` are its rewrites (`rewrites.passes.FamilyPasses`). `hidden` are the channels within its blocks that pruning may change
    (`models.hidden.Hidden`). `trained_size` says which input size weights are of, where their
    tensors depend on it. `crops` is the crop of timm's published weights, by variant and input size in pixels, and `crops_like` names
    the variant whose crops count for a model that is not among them; with None the model sees the whole image.
    """

    name: str
    variants: tuple[ModelSpec, ...]
    build: str
    costs: str
    layouts: str
    passes: str
    hidden: str | None = None
    trained_size: str = "evit_mobile.models.weights.trained_size:stated_size"
    crops: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    crops_like: Callable[[ModelSpec], str | None] = whole_image


def imported(spelled: str) -> Any:
    """What "module:name" spells."""
    module, _, name = spelled.partition(":")
    return getattr(import_module(module), name)
