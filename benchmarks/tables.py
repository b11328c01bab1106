"""Tables in Markdown, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.statistics import Spread


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: Spread | None, digits: int) -> str:
    return "-" if value is None else f"{value.median:.{digits}f}"


def percent(value: Spread | None) -> str:
    return "-" if value is None else f"{100 * value.median:.0f} %"
