"""`python -m benchmarks`: the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.candidates import Runtime
from benchmarks.description import RIVALS
from benchmarks.machine import usable_cores
from benchmarks.report import write_document
from benchmarks.run import Settings, run
from evit_mobile.spec import CLASSIFIERS

DEFAULT_MODELS = ("efficientvit_m0", "efficientvit_b0", *RIVALS)
HERE = Path(__file__).parent


def main(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help=f"A variant, `all`, or a rival ({', '.join(RIVALS)}); repeat for several."),
    ] = None,
    runtime: Annotated[list[Runtime] | None, typer.Option("--runtime", help="Only these; repeat for several.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option("--threads", help="Thread counts.", show_default="1 and all cores")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of turns.")] = 20,
    turn_ms: Annotated[int, typer.Option("--turn-ms", min=1, help="Length of a turn.")] = 50,
    fresh: Annotated[bool, typer.Option("--fresh", help="Keep no file of an earlier run.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the order within rounds.")] = 0,
    work: Annotated[Path, typer.Option("--work", help="Folder for converted files and logs.")] = Path("out/benchmarks"),
    results: Annotated[Path, typer.Option("--results", help="Folder for the results.")] = HERE / "results",
    document: Annotated[Path, typer.Option("--document", help="The table to write.")] = Path("docs/benchmarks.md"),
    only_document: Annotated[bool, typer.Option("--only-document", help="Measure nothing; write the table.")] = False,
) -> None:
    """Convert and measure our files, the stock routes, other runtimes and other architectures, side by side."""
    unknown = set(model or ()) - {"all", *CLASSIFIERS, *RIVALS}
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; allowed: all, {', '.join((*CLASSIFIERS, *RIVALS))}")
    if not only_document:
        settings = Settings(
            models=tuple(CLASSIFIERS) if model == ["all"] else tuple(dict.fromkeys(model or DEFAULT_MODELS)),
            runtimes=tuple(runtime or Runtime),
            threads=tuple(dict.fromkeys(threads or (1, usable_cores()))),
            rounds=rounds,
            turn_s=turn_ms / 1e3,
            fresh=fresh,
            seed=seed,
            work=work,
            results=results,
        )
        run(settings, lambda message: print(message, file=sys.stderr, flush=True))
    write_document(results, document)


if __name__ == "__main__":
    typer.run(main)
