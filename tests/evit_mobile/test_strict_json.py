"""Values read into dataclasses, and every way in which they are not what a field takes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.strict_json import FieldError, read, to_json


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    size: tuple[int, int]
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    name: str
    share: float | None = None
    parts: tuple[Part, ...] = ()
    versions: dict[str, str] | None = None
    found: bool = False


def test_what_fits_is_read() -> None:
    document = {"name": Path("a"), "share": 1, "parts": [{"size": [2, 3], "colour": "blue"}], "versions": {"x": "1"}}
    part = Part(size=(2, 3), colour=Colour.BLUE)
    assert read(Whole, document) == Whole(name="a", share=1.0, parts=(part,), versions={"x": "1"})


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": "a", "nmae": "b"}, "nmae"),
        ({"name": "a", "share": "0.5"}, "share"),
        ({"name": "a", "found": 1}, "found"),
        ({"name": "a", "parts": [{"size": [1, 2]}, {"size": [1]}]}, r"parts\[1\].size"),
        ({"name": "a", "parts": [{"size": [1, 2.5]}]}, r"parts\[0\].size\[1\]"),
        ({"name": "a", "parts": [{"size": [1, True]}]}, r"parts\[0\].size\[1\]"),
        ({"name": "a", "parts": {"size": [1, 2]}}, "parts"),
        ({"name": "a", "parts": [{"size": [1, 2], "colour": "green"}]}, r"parts\[0\].colour: got 'green'; .*red, blue"),
        ({"name": "a", "versions": {"x": 1}}, "versions.x"),
        ([], ""),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(document: Any, path: str) -> None:
    with pytest.raises(FieldError, match=f"^{path}"):
        read(Whole, document)


def test_numbers_that_are_not_finite_are_null() -> None:
    assert json.loads(to_json({"a": (math.nan, 1.5), "b": [math.inf]})) == {"a": [None, 1.5], "b": [None]}
