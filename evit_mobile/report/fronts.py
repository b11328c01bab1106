"""The page about what to ship of a sweep: fronts on each judge, and a table. Loads nothing from elsewhere, runs no script."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table

from evit_mobile.findings import Verdict
from evit_mobile.report.plots import Point, scatter

if TYPE_CHECKING:
    from evit_mobile.sweeps.best import Best
    from evit_mobile.sweeps.front import Candidate

PAIRS = (("latency", None), ("size", None), ("size", "sqnr"))
"""What is paid and what is had, None for the accuracy that there is."""
TITLES = {
    "latency": "median latency, ms",
    "size": "size, MB",
    "accuracy": "top-1, %",
    "agreement": "agreement with the own reference, %",
    "sqnr": "SQNR, dB",
}
COLUMNS = ("file", "judge", "ms", "MB", "top-1", "lost", "SQNR dB", "front")
SHOWN = 20
"""Rows of the terminal's table."""


def base(out: str, page: Path) -> str:
    """Where a sweep lies as seen from a page about it, for links."""
    return f"{out if '://' in out else Path(os.path.relpath(out, page.parent)).as_posix()}/"


def page(best: Best, base: str = "") -> str:
    """The page's HTML, whose links begin with `base`. All text is escaped; only our own plots are put in as they are."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("evit_mobile.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    judges = list(dict.fromkeys(one.on for one in best.candidates))
    linked = [replace(one, manifest=f"{base}{one.manifest}") for one in best.candidates]
    return environment.get_template("front.html.j2").render(
        best=best,
        judges=[(on, [Markup(plot) for plot in plots(linked, on, best.gain)]) for on in judges],
        columns=COLUMNS,
        rows=[(one, cells(one), whole in best.chosen) for one, whole in zip(linked, best.candidates, strict=True)],
    )


def plots(candidates: Sequence[Candidate], on: str, usual: str) -> list[str]:
    """SVG of every pair that is known of files that passed a judge; each point is a link to its manifest, those of the front are larger."""
    found = []
    for cost, named in PAIRS:
        gain = named or usual
        known = [
            (one, x, y)
            for one in candidates
            if one.on == on
            and one.verdict is Verdict.PASSED
            and (x := one.cost(cost)) is not None
            and (y := one.gain(gain)) is not None
        ]
        if known:
            points = [
                Point(
                    label=one.title if cost in one.fronts else "",
                    x=x,
                    y=y,
                    size=0.4 if cost in one.fronts else 0.05,
                    link=one.manifest,
                )
                for one, x, y in known
            ]
            found.append(scatter(points, TITLES[cost], TITLES[gain], f"{TITLES[gain]} against {TITLES[cost]}, on {on}"))
    return found


def cells(one: Candidate) -> tuple[str, ...]:
    """A candidate's numbers as text, after its name and judge."""
    numbers: Sequence[tuple[float | None, int]] = (
        (one.latency_ms, 3),
        (one.bytes / 1e6, 2),
        (one.accuracy, 2),
        (one.lost_points, 2),
        (one.sqnr_db, 1),
    )
    return (*("-" if value is None else f"{value:.{digits}f}" for value, digits in numbers), ", ".join(one.fronts))


def best_table(best: Best) -> RenderableType:
    """The files that keep the limits, the best first."""
    table = Table(title=f"{len(best.chosen)} of {len(best.candidates)} files passed and keep the limits")
    for index, name in enumerate(COLUMNS):
        table.add_column(name, overflow="fold", justify="right" if 2 <= index <= 6 else "left")
    for one in best.chosen[:SHOWN]:
        table.add_row(one.title, one.on, *cells(one))
    lines: list[Any] = [f"and {len(best.chosen) - SHOWN} more: --json"] if len(best.chosen) > SHOWN else []
    lines.append(f"latencies: {best.measured or 'not measured in turns, so not compared (--measure)'}")
    return Group(table, *lines, *best.notes)
