"""Names that weights have in the files of one origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from evit_mobile.families.architecture import Architecture


def unchanged(architecture: Architecture) -> Architecture:
    """An origin whose eps are timm's."""
    return architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names of one origin for one family.

    `first` are the names that the first convolution's weight has, plain and with its norm folded in; they recognise the
    origin. `rename` takes one of our names to the origin's. `adapt` gives a variant's architecture the origin's eps, where they are not
    timm's. `antialias` is whether the origin resizes bias tables with an
    antialiasing filter. `trunk` are the parts of the network, one behind the other, that lead to the last stage's features, none where
    the network is just that; with `stages` they return these among those of all stages, in a dictionary.
    """

    origin: str
    family: str
    first: tuple[str, ...]
    rename: Callable[[str], str]
    adapt: Callable[[Architecture], Architecture] = unchanged
    antialias: bool = True
    trunk: tuple[str, ...] = ()
    stages: bool = False


def same(name: str) -> str:
    """timm's names are ours."""
    return name


Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def apply_rules(rules: Iterable[Rule], name: str) -> str:
    """`name` after the first rule whose pattern matches its start."""
    for pattern, replacement in rules:
        if pattern.match(name):
            return pattern.sub(replacement, name, count=1)
    return name
