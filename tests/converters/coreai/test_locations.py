"""Which module an operation comes from."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from converters.coreai.locations import module_of


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ('loc({"call_stack": ["stages.0.conv"], "id": 3})', "stages.0.conv"),
        ('loc(fused[{"call_stack": ["a"]}, {"call_stack": ["b"]}])', "a"),
        ('loc({"call_stack": [""]})', ""),
        ('loc("source.py":3:1)', ""),
        ("loc(unknown)", ""),
    ],
)
def test_the_first_module_of_a_location(location: str, path: str) -> None:
    assert module_of(SimpleNamespace(location=location)) == path
