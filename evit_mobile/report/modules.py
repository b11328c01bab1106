"""Which operations each part of a model came to."""

from __future__ import annotations

from collections import Counter, defaultdict

from rich.table import Table

DEPTH = 4
"""Names of a path that tell a block: `stages.2.blocks.1`."""


def modules_table(modules: dict[str, dict[str, int]]) -> Table:
    """Operations by kind per block: those of its modules together."""
    blocks: dict[str, Counter[str]] = defaultdict(Counter)
    for path, counts in modules.items():
        blocks[".".join(path.split(".")[:DEPTH]) or "(top)"].update(counts)
    table = Table()
    for heading in ("module", "operations"):
        table.add_column(heading, overflow="fold")
    for path, counted in blocks.items():
        table.add_row(path, ", ".join(f"{count} {kind}" for kind, count in counted.most_common()))
    return table
