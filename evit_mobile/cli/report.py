"""`evit-mobile report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import show


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `convert` wrote.")],
    html: Annotated[bool, typer.Option("--html", help="One self-contained HTML page (the only form so far).")] = True,  # noqa: ARG001  # named by the contract
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the page.", show_default="report.html in DIR")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a page about a folder: manifest, validation, delegation, latency, operators, energy."""
    from evit_mobile.report.html import write_page

    show({"page": str(write_page(folder, out))}, json, lambda document: f"wrote {document['page']}")
