"""`evit-mobile export-app`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import show


def export_app(
    name: Annotated[str, typer.Argument(metavar="android|ios|web", help="The demo app.")],
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="A folder that `convert` wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="APPDIR", help="The app's folder.", show_default="the one in this checkout"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Include artefacts that did not pass.")] = False,
    json: JsonOption = False,
) -> None:
    """Put artefacts, manifest and golden vectors into a demo app."""
    from evit_mobile.demos.export import export_app
    from evit_mobile.report import tables

    show(export_app(name, source, out, force=force), json, tables.export_table)
