"""The error for a file that is not what was written."""

from __future__ import annotations

from converters.errors import ArtefactError
from converters.executorch.damage import damaged


def test_it_says_what_was_found_and_what_to_do() -> None:
    error = damaged("a program without operations")
    assert type(error) is ArtefactError
    assert error.exit_code == 2
    assert str(error) == (
        "got a program without operations; allowed: a .pte file as this tool wrote it; convert the model again"
    )
