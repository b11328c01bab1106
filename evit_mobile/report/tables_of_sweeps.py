"""What the command line prints about a sweep."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from evit_mobile.report.names import Name

if TYPE_CHECKING:
    from evit_mobile.sweeps.driver import Sweep


def sweep_table(sweep: Sweep) -> RenderableType:
    """The cells with what they took or may take, and how many are in which state."""
    table = Table(title=f"{len(sweep.cells)} cells in {sweep.out}")
    table.add_column("cell")
    for name in ("s", "GB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", overflow="fold")
    for cell in sweep.cells:
        state = f"{cell.state}: {cell.reason}" if cell.reason else cell.state
        approximate = "~" if cell.state == "open" else ""
        table.add_row(
            Name(cell.title), f"{approximate}{cell.seconds:.0f}", f"{approximate}{cell.memory_bytes / 1e9:.1f}", state
        )
    counts = Counter(cell.state for cell in sweep.cells)
    lines = [", ".join(f"{count} {state}" for state, count in counts.items())]
    still = sum(cell.seconds for cell in sweep.cells if cell.state == "open")
    lines += [f"open cells: about {still / 60:.0f} min on one processor"] if still else []
    lines += [f"left out: {what}" for what in sweep.left_out]
    return Group(table, *lines)
