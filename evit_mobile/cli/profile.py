"""`evit-mobile profile`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.options import JsonOption, takes
from evit_mobile.cli.show import progress, show
from evit_mobile.profiling.places import FORMS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """What is measured, where, and how long."""

    artefacts: Annotated[list[Path], typer.Argument(metavar="ARTEFACT...", help="Artefacts to measure side by side.")]
    on: Annotated[
        str,
        typer.Option(
            "--on",
            help=f"Where: {FORMS}.",
        ),
    ] = "host"
    python: Annotated[str, typer.Option("--python", help="Interpreter with the runtimes behind ssh.")] = "python3"
    runner: Annotated[Path | None, typer.Option("--runner", help="Program that runs artefacts behind adb.")] = None
    threads: Annotated[int, typer.Option("--threads", help="Threads of the runtime.")] = 1
    bound: Annotated[
        float, typer.Option("--bound", help="Stop once the median is known to within this share of itself.")
    ] = 0.01
    budget: Annotated[float, typer.Option("--budget", help="Seconds to spend on one artefact at most.")] = 20.0
    force_energy: Annotated[
        bool, typer.Option("--force-energy", help="Use the battery's current even while it charges.")
    ] = False
    out: Annotated[
        Path | None, typer.Option("--out", help="File to append the results to.", show_default="profile.jsonl beside")
    ] = None
    json: JsonOption = False


@takes(ProfileOptions)
def profile(options: ProfileOptions) -> None:
    """Measure latency, memory, operators and energy of artefacts on a device."""
    from evit_mobile.profiling import run
    from evit_mobile.profiling.protocol import Settings
    from evit_mobile.report import profiles

    settings = Settings(threads=options.threads, bound=options.bound, budget_s=options.budget)
    with progress() as report:
        document = run.profile(
            options.artefacts,
            place=options.on,
            settings=settings,
            python=options.python,
            runner=options.runner,
            out=options.out,
            force_energy=options.force_energy,
            report=report,
        )
    show(document, options.json, profiles.profile_tables)
