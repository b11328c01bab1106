"""A sweep in the terminal: what its cells took or may take, and what became of them."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from evit_mobile.report.tables_of_sweeps import sweep_table
from evit_mobile.sweeps.driver import CellState, Sweep


def printed(*cells: CellState, left_out: tuple[str, ...] = ()) -> list[str]:
    console = Console(width=120, file=io.StringIO())
    console.print(sweep_table(Sweep(out="s3://box/sweep", cells=cells, left_out=left_out)))
    text: Any = console.file
    return [" ".join(line.replace("│", " ").split()) for line in text.getvalue().splitlines()]


def cell(title: str, state: str, reason: str = "", seconds: float = 60.0) -> CellState:
    return CellState(name=title, title=title, state=state, reason=reason, seconds=seconds, memory_bytes=1_250_000_000)


def test_a_row_is_a_cell_and_estimates_are_approximate() -> None:
    lines = printed(
        cell("m0 int8", "finished", seconds=12.4), cell("m0 fp16", "failed", "no room"), cell("b0 int8", "open")
    )
    assert "3 cells in s3://box/sweep" in lines
    assert "m0 int8 12 1.2 finished" in lines
    assert "m0 fp16 60 1.2 failed: no room" in lines
    assert "b0 int8 ~60 ~1.2 open" in lines
    assert lines[-2] == "1 finished, 1 failed, 1 open"


def test_what_is_open_is_added_up() -> None:
    """Two cells of 90 s and one that is finished."""
    open_cells = [cell("a", "open", seconds=90.0), cell("b", "open", seconds=90.0)]
    assert printed(*open_cells, cell("c", "finished", seconds=999.0))[-1] == "open cells: about 3 min on one processor"
    assert printed(cell("c", "finished"))[-1] == "1 finished"


def test_what_the_plan_left_out_is_told() -> None:
    lines = printed(cell("c", "finished"), left_out=("coreml has no int8-full", "no such size"))
    assert lines[-2:] == ["left out: coreml has no int8-full", "left out: no such size"]
