"""`evit-mobile doctor`."""

from __future__ import annotations

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import progress, show


def doctor(json: JsonOption = False) -> None:
    """Show what is installed and what each target can do on this machine."""
    from evit_mobile.report import tables

    with progress() as report:
        report("looking for toolchains")
        rows = tables.doctor_rows()
    show(rows, json, tables.doctor_table)
