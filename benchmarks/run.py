"""A run as a page of named steps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import peak
from benchmarks.candidates import ROUTES, Candidate, Origin, Route, Runtime
from benchmarks.composition import Truth, peaks, result
from benchmarks.conversion import SHARED_PACKAGES, convert_all
from benchmarks.description import Description
from benchmarks.machine import this_machine, versions
from benchmarks.measurement import Measured, measure
from benchmarks.processes import answer
from benchmarks.results import Comparison, to_json
from evit_mobile.spec import CLASSIFIERS

Report = Callable[[str], None]
ARCHITECTURES = "architectures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`threads` are the thread counts to measure with; the first one judges accuracy. `turn_s` is the length of a turn."""

    models: tuple[str, ...]
    runtimes: tuple[Runtime, ...]
    threads: tuple[int, ...]
    rounds: int
    turn_s: float
    fresh: bool
    seed: int
    work: Path
    results: Path


def run(settings: Settings, report: Report) -> list[Path]:
    """Converts, measures and writes one result file for each model, and one for the models beside each other."""
    started = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    report("peak: converting")
    peak_files = answer(peak.write_peak, settings.work / peak.MODEL, log=settings.work / "peak.log")
    models, candidates = [], []
    for name in settings.models:
        models.append(describe(name, settings.work))
        report(f"{name}: converting")
        candidates.append(convert_all(name, routes_for(name, settings), settings.work / name, fresh=settings.fresh))
    written = []
    for title, chosen, files in comparisons(models, candidates):
        report(f"{title}: measuring")
        written.append(compare(title, chosen, [*files, *peak_files], settings, started))
    return written


def describe(name: str, work: Path) -> Description:
    """The model's description; its held-out images and reference logits are written into its folder."""
    from benchmarks.subjects import describe_subject

    description: Description = answer(describe_subject, name, work / name, log=work / name / "describe.log")
    return description


def routes_for(name: str, settings: Settings) -> tuple[Route, ...]:
    """The routes that are asked for and that the model takes."""
    return tuple(
        route for route in ROUTES if route.runtime in settings.runtimes and (name in CLASSIFIERS or route.for_rivals)
    )


def comparisons(
    models: Sequence[Description], candidates: Sequence[list[Candidate]]
) -> list[tuple[str, list[Description], list[Candidate]]]:
    """(title, models, candidates) of what is measured together: each model's files, and our files of all models."""
    each = [(model.name, [model], files) for model, files in zip(models, candidates, strict=True)]
    if len(models) < 2:
        return each
    ours = [item for files in candidates for item in files if item.origin is Origin.OURS]
    return [*each, (ARCHITECTURES, list(models), ours)]


def compare(
    title: str, models: Sequence[Description], candidates: Sequence[Candidate], settings: Settings, date: str
) -> Path:
    """Measures candidates together on every thread count and writes the result."""
    measured = {threads: measure_files(candidates, threads, settings) for threads in settings.threads}
    truths = {model.name: truth(settings.work / model.name) for model in models}
    macs = {model.name: model.macs for model in models}
    packages = sorted({package for route in ROUTES for package in route.packages} | set(SHARED_PACKAGES))
    comparison = Comparison(
        title=title,
        date=date,
        machine=this_machine(),
        versions=versions(packages),
        rounds=settings.rounds,
        turn_s=settings.turn_s,
        images=len(next(iter(truths.values())).logits),
        models=tuple(models),
        peaks=peaks(candidates, measured),
        results=tuple(
            result(item, candidates, measured, truths[item.model], macs[item.model])
            for item in candidates
            if item.model != peak.MODEL
        ),
    )
    settings.results.mkdir(parents=True, exist_ok=True)
    path = settings.results / f"{title}.json"
    path.write_text(without_folder(json.dumps(to_json(comparison), indent=1), settings.work) + "\n")
    return path


def without_folder(text: str, folder: Path) -> str:
    """`text` with paths as they are below `folder`: where a machine keeps its files is nobody's result."""
    return text.replace(f"{folder}/", "")


def measure_files(candidates: Sequence[Candidate], threads: int, settings: Settings) -> dict[str, Measured]:
    """Turns of all candidates that have a file; their logits on the first thread count."""
    files = [(item, settings.work / item.model / "images.npy") for item in candidates if item.path is not None]
    return measure(
        files,
        threads=threads,
        judge=threads == settings.threads[0],
        count=settings.rounds,
        turn_s=settings.turn_s,
        seed=settings.seed,
        log=settings.work / "measure.log",
    )


def truth(folder: Path) -> Truth:
    """What `describe` wrote."""
    labels = folder / "labels.npy"
    return Truth(logits=np.load(folder / "logits.npy"), labels=np.load(labels) if labels.exists() else None)
