"""The ranking of `evit-mobile sensitivity` for --json and for the terminal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evit_mobile.report.lines import image_lines
from evit_mobile.report.names import Name

if TYPE_CHECKING:
    from evit_mobile.commands.sensitivity import Sensitivity

SHOWN = 20


def sensitivity_entry(result: Sensitivity) -> dict[str, Any]:
    return dataclasses.asdict(result)


def sensitivity_table(document: dict[str, Any]) -> RenderableType:
    table = Table(title=f"{document['model']}, weights: {document['weights']}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("module")
    for heading in ("share of noise", "dB at output", "dB at module"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in document["modules"][:SHOWN]:
        decibels = (f"{row[name]:.1f}" for name in ("output_sqnr_db", "module_sqnr_db"))
        table.add_row(Name(row["module"] or "(top)"), f"{100 * row['share']:.1f} %", *decibels)
    rest = len(document["modules"]) - SHOWN
    note = f"{rest} more modules, see --json; " if rest > 0 else ""
    whole = f"all of them int8: {document['measured_sqnr_db']:.1f} dB measured, {document['predicted_sqnr_db']:.1f} dB predicted"
    summary = Text(f"{note}{whole}, {document['images']} calibration images")
    return Group(table, *image_lines(document.get("notes", ())), summary)
