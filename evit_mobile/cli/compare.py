"""`evit-mobile compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import show


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A profiled artefact, or a profile.jsonl.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="What to compare with it, likewise.")],
    json: JsonOption = False,
) -> None:
    """Compare the latest profiles of two artefacts, or of the same artefacts in two files, with intervals."""
    from evit_mobile.profiling import comparison
    from evit_mobile.report import profiles

    show(comparison.compare(first, second), json, profiles.comparison_table)
