"""`evit-mobile validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JUDGES, FewOption, ImagesOption, JsonOption, LabelsOption, OnOption
from evit_mobile.cli.show import progress, show


def validate(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT|DIR", help="An artefact, or a folder of them.")],
    images: ImagesOption = None,
    labels: LabelsOption = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Where the reference's weights are now, if they have moved.")
    ] = None,
    on: OnOption = None,
    allow_few: FewOption = False,
    per_operation: Annotated[
        bool,
        typer.Option(
            "--per-operation",
            help="With --on coreai or qualcomm:SOC: also each operation by itself; says which is off.",
            rich_help_panel=JUDGES,
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Prove a written artefact again: its bytes, its outputs, its accuracy."""
    from evit_mobile.commands import validate as reading
    from evit_mobile.commands.per_operation import per_operation as run_operations
    from evit_mobile.commands.per_operation import step_judges
    from evit_mobile.report import tables

    with progress() as report:
        if per_operation:
            step_judges(artefact, on or ())  # what is wrong is said before the work
        result = reading.validate(
            artefact,
            images=images,
            labels=labels,
            weights=weights,
            on=on or (),
            allow_few=allow_few,
            report=report,
        )
        checks = (
            run_operations(artefact, on or (), images=images, weights=weights, report=report) if per_operation else ()
        )
    show(tables.revalidation_rows(result, checks), json, lambda _: tables.revalidation_table(result, checks))
    raise typer.Exit(0 if result.proven else 1)
