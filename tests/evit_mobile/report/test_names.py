"""Names in narrow columns: whole, and broken behind their joints."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from evit_mobile.report.names import Name, wrapped


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("int8", 4, ["int8"]),
        ("a.b", 1, ["a.", "b"]),
        ("stages.0.blocks.1", 9, ["stages.0.", "blocks.1"]),
        ("stages.0.blocks.1", 8, ["stages.", "0.", "blocks.1"]),
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one", "two"]),
        ("a/b_c-d", 4, ["a/b_", "c-d"]),
        ("longer than that", 3, ["longer", "than", "that"]),
        ("", 5, [""]),
    ],
)
def test_lines_are_as_full_as_words_allow(text: str, width: int, lines: list[str]) -> None:
    assert list(wrapped(text, width)) == lines


def drawn(text: str, width: int) -> str:
    """A table with a name in its first column."""
    table = Table(box=None, show_header=False, padding=0)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_row(Name(text), "12345")
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO


def test_a_column_is_no_narrower_than_a_words() -> None:
    """The figures beside it are whole."""
    assert drawn("executorch-coreml int8", 40).split() == ["executorch-coreml", "int812345"]
    lines = drawn("executorch-coreml int8", 17).splitlines()
    assert [line[:12].strip() for line in lines] == ["executorch-", "coreml int8"]
    assert lines[0].endswith("12345")


def test_a_word_that_is_too_long_loses_nothing() -> None:
    assert "".join(drawn("abcdefghijkl", 10).replace("12345", "").split()) == "abcdefghijkl"
