"""`evit-mobile best`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption, takes
from evit_mobile.cli.show import progress, show


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOptions:
    """Of which sweep, and what its files have to keep."""

    out: Annotated[str, typer.Argument(metavar="DIR|URL", help="What `evit-mobile sweep` wrote.")]
    max_ms: Annotated[
        float | None, typer.Option("--max-ms", metavar="MS", help="Median latency, measured in turns on one machine.")
    ] = None
    max_drop: Annotated[
        float | None, typer.Option("--max-drop", metavar="POINTS", help="Points of top-1 lost against fp32.")
    ] = None
    max_mb: Annotated[float | None, typer.Option("--max-mb", metavar="MB", help="Size of the file.")] = None
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="JUDGE", help="Only as this judge found them.", show_default="all judges"),
    ] = None
    measure: Annotated[
        bool, typer.Option("--measure", help="First time all files here, in turns; wants a quiet machine.")
    ] = False
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with the Pareto fronts.")
    ] = None
    json: JsonOption = False


@takes(BestOptions)
def best(options: BestOptions) -> None:
    """Tell which files of a sweep to ship: those that keep the limits, and the Pareto front."""
    from converters.files import write_bytes
    from evit_mobile.report import fronts
    from evit_mobile.sweeps.best import best as found

    with progress() as report:
        result = found(
            options.out,
            max_ms=options.max_ms,
            max_drop=options.max_drop,
            max_mb=options.max_mb,
            judge=options.judge,
            measure=options.measure,
            report=report,
        )
        if options.html is not None:
            write_bytes(options.html, fronts.page(result, base=fronts.base(options.out, options.html)).encode())
            report(f"wrote {options.html}")
    show(result, options.json, fronts.best_table)
    raise typer.Exit(0 if result.chosen else 1)
