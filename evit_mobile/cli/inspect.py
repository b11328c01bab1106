"""`evit-mobile inspect`."""

from __future__ import annotations

from evit_mobile.cli.options import ArtefactArgument, JsonOption
from evit_mobile.cli.show import progress, show


def inspect(artefact: ArtefactArgument, json: JsonOption = False) -> None:
    """Show operations, delegated share, partitions, dtypes and bytes of an artefact."""
    from evit_mobile.commands import validate as reading
    from evit_mobile.report import tables

    with progress() as report:
        report(f"reading {artefact.name}")
        inspection = reading.inspect(artefact)
    show(tables.inspection_entry(artefact, inspection), json, tables.inspection_table)
