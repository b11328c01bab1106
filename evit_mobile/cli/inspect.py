"""`evit-mobile inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import progress, show


def inspect(
    artefact: Annotated[
        Path,
        typer.Argument(
            metavar="ARTEFACT|DIR", help="A file or package that `convert` wrote, or a folder with a manifest."
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Show operations, delegated share, partitions, dtypes and bytes of an artefact; of a folder, its manifest."""
    from evit_mobile.commands import inspect as reading
    from evit_mobile.record.files import read_manifest
    from evit_mobile.record.manifest import FILE_NAME
    from evit_mobile.report import tables

    folder = artefact.parent if artefact.name == FILE_NAME else artefact
    if (folder / FILE_NAME).exists():
        show(read_manifest(folder), json, tables.manifest_table)
        return
    with progress() as report:
        report(f"reading {artefact.name}")
        inspection = reading.inspect(artefact)
    show(tables.inspection_entry(artefact, inspection), json, tables.inspection_table)
