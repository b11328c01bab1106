"""`python -m benchmarks.cost`: the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cost.first_result import FIRST_RESULTS
from benchmarks.cost.measure import EVALUATED, Builds, measure_all
from benchmarks.cost.tasks import TASKS
from benchmarks.report import write_document

CHECKOUT = Path(__file__).resolve().parents[2]
NAMES = (*(task.name for task in TASKS), *EVALUATED, *FIRST_RESULTS)


def main(
    earlier: Annotated[Path, typer.Argument(help="A checkout of the build to compare with.")],
    only: Annotated[list[str] | None, typer.Option("--only", help=f"Of {', '.join(NAMES)}.")] = None,
    photos: Annotated[Path | None, typer.Option("--photos", help="A folder of photos, to measure `photos` on.")] = None,
    few: Annotated[
        Path | None, typer.Option("--few", help="A folder of some 96 images, to measure b3 and l3 on.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns of each build.")] = 5,
    work: Annotated[Path, typer.Option("--work", help="Folder for written files and logs.")] = Path("out/cost"),
    converted: Annotated[
        Path, typer.Option("--converted", help="Where `python -m benchmarks` left its files, for first results.")
    ] = Path("out/benchmarks"),
    results: Annotated[Path, typer.Option("--results")] = CHECKOUT / "benchmarks" / "results",
    document: Annotated[Path, typer.Option("--document")] = CHECKOUT / "docs" / "benchmarks.md",
) -> None:
    """Run commands of this checkout and of an earlier one in turns, and write what they take."""
    allowed = possible(photos, few)
    unknown = set(only or ()) - set(allowed)
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}; allowed: {', '.join(allowed)}, others with --photos, --few or the extra qualcomm"
        )
    builds = Builds(
        ours=CHECKOUT,
        theirs=earlier.resolve(),
        photos=None if photos is None else photos.resolve(),
        few=None if few is None else few.resolve(),
        work=work.resolve(),
        converted=converted.resolve(),
    )
    measure_all(
        builds, only or allowed, rounds, results / "cost", lambda line: print(line, file=sys.stderr, flush=True)
    )
    write_document(results, document)


def possible(photos: Path | None, few: Path | None) -> list[str]:
    """Names of what can be measured with these folders and what is installed."""
    absent = [place for place, folder in (("{photos}", photos), ("{few}", few)) if folder is None]
    tasks = [task.name for task in TASKS if task.possible and not any(place in task.command for place in absent)]
    return [*tasks, *EVALUATED, *FIRST_RESULTS]


if __name__ == "__main__":
    typer.run(main)
