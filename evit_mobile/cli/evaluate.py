"""`evit-mobile evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import ArtefactArgument, JsonOption, LabelsOption, RayOption, takes
from evit_mobile.cli.show import progress, show


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What is measured, on which images, and in how many pieces."""

    artefact: ArtefactArgument
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            metavar="PATH|URL",
            help="Folder of images, .npz, .npy, idx, list file or .parquet; or WebDataset tars or a folder of .parquet, by path or URL.",
        ),
    ] = None
    labels: LabelsOption = None
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N images.")] = None
    reference: Annotated[bool, typer.Option("--reference", help="Also run the fp32 reference (slower).")] = False
    on: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="JUDGE", help="What runs the file, see `evit-mobile doctor`.", show_default="the usual one"
        ),
    ] = None
    shards: Annotated[
        int, typer.Option("--shards", metavar="N", min=1, help="Count in as many pieces, each in its own process.")
    ] = 1
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Pieces at once.", show_default="the processors")
    ] = None
    ray: RayOption = None
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="DIR", help="Keep counted pieces there, and go on from those.")
    ] = None
    json: JsonOption = False


@takes(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Measure top-1, top-5, recall and calibration of an artefact on labelled images."""
    from evit_mobile.commands.evaluate import Pieces
    from evit_mobile.commands.evaluate import evaluate as measured
    from evit_mobile.report import tables

    pieces = Pieces(shards=options.shards, workers=options.workers, ray=options.ray, keep=options.resume)
    with progress() as report:
        result = measured(
            options.artefact,
            images=options.images,
            labels=options.labels,
            limit=options.limit,
            with_reference=options.reference,
            on=options.on,
            pieces=pieces,
            report=report,
        )
    show(tables.evaluation_entry(result), options.json, tables.evaluation_table)
