"""`evit-mobile publish`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption, takes
from evit_mobile.cli.show import progress, show

DRY_RUN_FOLDER = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """What goes where."""

    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `convert` wrote.")]
    to: Annotated[str, typer.Option("--to", metavar="hf://OWNER/NAME", help="The repository on Hugging Face's hub.")]
    weights_license: Annotated[
        str, typer.Option("--weights-license", help="Licence of the weights, such as apache-2.0.")
    ]
    include_weights: Annotated[
        bool,
        typer.Option("--include-weights", help="Add model.safetensors, so that --weights hf://OWNER/NAME can load it."),
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the files but upload nothing.")] = False
    out: Annotated[
        Path | None, typer.Option("--out", help="With --dry-run: the folder.", show_default=DRY_RUN_FOLDER)
    ] = None
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False
    force: Annotated[bool, typer.Option("--force", help="Include artefacts that did not pass; the card says so.")] = (
        False
    )
    json: JsonOption = False


@takes(PublishOptions)
def publish(options: PublishOptions) -> None:
    """Publish artefacts, manifest, golden vectors and a model card on Hugging Face's hub."""
    from evit_mobile.errors import UsageError
    from evit_mobile.publishing import publish as publishing
    from evit_mobile.report import tables

    if options.out is not None and not options.dry_run:
        raise UsageError(got="--out without --dry-run", allowed="--out with --dry-run", do="add it, or leave --out out")
    with progress() as report:
        published = publishing.publish(
            options.folder,
            options.to,
            weights_license=options.weights_license,
            include_weights=options.include_weights,
            force=options.force,
            private=options.private,
            out=(options.out or Path(DRY_RUN_FOLDER)) if options.dry_run else None,
            report=report,
        )
    document = asdict(published) | {"folder": None if published.folder is None else str(published.folder)}
    show(document, options.json, tables.publication_table)
