"""Statements about preprocessing, and the one Preprocess that follows: what was given beats what is stated, that beats the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from calib.errors import DataError
from calib.preprocess import Preprocess
from calib.stated.values import BGR

MANIFEST_NAMES = {
    "resize": "resize",
    "crop_pct": "crop",
    "interpolation": "interpolation",
    "mean": "mean",
    "std": "std",
    "color": "color",
}
"""Fields of Preprocess that sources speak of, with what a manifest calls them. Sizes are the model's, see `Statement.size`."""

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one source says: values of Preprocess's fields, and the input size (height, width) where it names one.

    A DataError in place of a value is one that cannot be met. It is raised only where no stronger source speaks of the field.
    """

    source: str
    values: Mapping[str, Any]
    size: tuple[int, int] | None = None

    def where_silent(self, stronger: Statement) -> Statement:
        """What is said here and not by `stronger`."""
        left = {name: value for name, value in self.values.items() if name not in stronger.values}
        return replace(self, values=left, size=self.size if stronger.size is None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A preprocessing, who stated each of its fields (by the manifest's names), and the contradictions among them, in words.

    With `turned` the model takes BGR: its first convolution has to be turned, so that it takes this RGB.
    """

    preprocess: Preprocess
    stated_by: Mapping[str, str]
    notes: tuple[str, ...] = ()
    turned: bool = False

    def to_manifest(self) -> dict[str, Any]:
        """The preprocessing fields of a manifest's "input"."""
        return {**self.preprocess.to_manifest(), "stated_by": dict(self.stated_by), "notes": list(self.notes)}


def decide(default: Preprocess, statements: Sequence[Statement], source: str = DEFAULT) -> Decision:
    """`default`, which is `source`'s, with what `statements` say, the strongest first.

    Raises DataError for a value that cannot be met.
    """
    chosen: dict[str, Any] = {}
    stated_by: dict[str, str] = {}
    sizes = [("the model", default.size), *((one.source, one.size) for one in statements if one.size is not None)]
    notes = _contradictions("size", [(name, f"{height}x{width}") for name, (height, width) in sizes])
    for field, name in MANIFEST_NAMES.items():
        said = [(one.source, one.values[field]) for one in statements if field in one.values]
        stated_by[name] = said[0][0] if said else source
        if said:
            chosen[field] = _usable(*said[0])
            notes += _contradictions(name, said)
    turned = chosen.get("color") == BGR
    if turned:
        chosen["color"] = default.color
    preprocess = replace(default, **chosen)
    if turned:  # mean and std are said in the order of the model's channels
        preprocess = replace(preprocess, mean=preprocess.mean[::-1], std=preprocess.std[::-1])
    return Decision(preprocess=preprocess, stated_by=MappingProxyType(stated_by), notes=tuple(notes), turned=turned)


def _usable(source: str, value: Any) -> Any:
    if isinstance(value, DataError):
        raise DataError(got=f"{value.got}, as stated by {source}", allowed=value.allowed, do=value.do) from value
    return value


def _contradictions(name: str, said: Sequence[tuple[str, Any]]) -> list[str]:
    """A line where weaker sources say something else than the strongest."""
    (source, value), *weaker = said
    others = [f"{other} says {shown(its)}" for other, its in weaker if its != value]
    return [f"{name}: {source} says {shown(value)}, which is used; {'; '.join(others)}"] if others else []


def shown(value: Any) -> str:
    """A value in words."""
    if isinstance(value, DataError):
        return value.got
    return " ".join(f"{number:g}" for number in value) if isinstance(value, tuple) else str(value)
