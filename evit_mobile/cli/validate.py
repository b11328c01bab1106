"""`evit-mobile validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import FewOption, ImagesOption, JsonOption, LabelsOption, OnOption
from evit_mobile.cli.show import progress, show


def validate(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT|DIR", help="An artefact, or a folder of them.")],
    images: ImagesOption = None,
    labels: LabelsOption = None,
    weights: Annotated[str | None, typer.Option("--weights", help="Where the reference's weights are now.")] = None,
    on: OnOption = None,
    allow_few: FewOption = False,
    json: JsonOption = False,
) -> None:
    """Prove a written artefact again: its bytes, its outputs, its accuracy."""
    from evit_mobile.commands import validate as reading
    from evit_mobile.report import tables

    with progress() as report:
        result = reading.validate(
            artefact,
            images=images,
            labels=labels,
            weights=weights,
            on=on or (),
            allow_few=allow_few,
            report=report,
        )
    show(tables.revalidation_rows(result), json, lambda _: tables.revalidation_table(result))
    raise typer.Exit(0 if result.proven else 1)
