"""`evit-mobile compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import FewOption, ImagesOption, JsonOption, SocOption
from evit_mobile.cli.show import progress, show


def compile(
    artefact: Annotated[
        Path,
        typer.Argument(metavar="ARTEFACT|DIR", help="An int8 .tflite or .onnx that `convert` wrote, or its folder."),
    ],
    socs: SocOption = None,
    images: ImagesOption = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Where the reference's weights are now, if they have moved.")
    ] = None,
    allow_few: FewOption = False,
    json: JsonOption = False,
) -> None:
    """Compile written LiteRT and ONNX files for Qualcomm's NPU, one per SoC, and prove each in that SoC's emulator."""
    from converters.qualcomm.socs import USUAL
    from evit_mobile.commands import compile as compiling
    from evit_mobile.report import tables

    with progress() as report:
        done = compiling.compile(
            artefact, socs=socs or USUAL, images=images, weights=weights, allow_few=allow_few, report=report
        )
    show(done.manifest, json, tables.manifest_table)
    raise typer.Exit(0 if done.proven else 1)
