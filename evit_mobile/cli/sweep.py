"""`evit-mobile sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.flags import parse_bytes
from evit_mobile.cli.options import JsonOption, RayOption, takes
from evit_mobile.cli.show import progress, show


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """What is swept, where it goes and where it runs."""

    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="Models x sizes x precisions x formats x options.")]
    out: Annotated[str, typer.Option("--out", metavar="DIR|URL", help="Where the sweep lies, or s3://, gs://, az://.")]
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, help="Cells at once on this machine.", show_default="its processors"
        ),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="What cells may take together, as 12GB.",
            show_default="90 % of what is free",
        ),
    ] = None
    ray: RayOption = None
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try cells again that failed before.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the cells, with estimated time and memory.")] = (
        False
    )
    json: JsonOption = False


@takes(SweepOptions)
def sweep(options: SweepOptions) -> None:
    """Convert every combination of a plan; what is finished is never done twice."""
    from evit_mobile.report import tables_of_sweeps
    from evit_mobile.sweeps.driver import sweep as swept

    with progress() as report:
        found = swept(
            options.plan,
            out=options.out,
            workers=options.workers,
            memory_bytes=parse_bytes("--memory", options.memory),
            ray=options.ray,
            retry_failed=options.retry_failed,
            dry_run=options.dry_run,
            report=report,
        )
    show(found, options.json, tables_of_sweeps.sweep_table)
    raise typer.Exit(0 if found.proven or options.dry_run else 1)
