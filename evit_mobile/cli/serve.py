"""`evit-mobile serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import show


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `convert` wrote.")],
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port on 127.0.0.1; 0 for any.")
    ] = 8000,
    node_modules: Annotated[
        Path | None,
        typer.Option(
            "--node-modules", help="Where npm put LiteRT.js.", show_default="web_demo's, or the current folder's"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Serve the browser demo with a folder of artefacts on this machine, until Ctrl-C."""
    from evit_mobile.demos import serve as demo
    from evit_mobile.report import tables

    def ready(url: str) -> None:
        show({"url": url, "folder": str(folder)}, json, tables.address_table)
        sys.stdout.flush()

    demo.serve(folder, port=port, node_modules=node_modules, ready=ready)
