"""`evit-mobile evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from evit_mobile.cli.options import ArtefactArgument, ImagesOption, JsonOption, LabelsOption
from evit_mobile.cli.show import progress, show


def evaluate(
    artefact: ArtefactArgument,
    images: ImagesOption = None,
    labels: LabelsOption = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N images.")] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Also run the fp32 reference (slower).")] = False,
    json: JsonOption = False,
) -> None:
    """Measure top-1 and top-5 of an artefact on labelled images."""
    from evit_mobile.commands.evaluate import evaluate as measured
    from evit_mobile.report import tables

    with progress() as report:
        result = measured(artefact, images=images, labels=labels, limit=limit, with_reference=reference, report=report)
    show(tables.evaluation_entry(result), json, tables.evaluation_table)
