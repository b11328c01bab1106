"""Progress for people: one line about what is being done, never part of a result."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line."""


def silent(_message: str) -> None:
    """The Report that says nothing."""
