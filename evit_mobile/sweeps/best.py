"""best(): the files of a sweep that keep given limits, and those that nothing beats."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError
from converters.registry import find_target
from evit_mobile.errors import UsageError
from evit_mobile.profiling.stored import PROFILE_NAME
from evit_mobile.progress import Report, silent
from evit_mobile.strict_json import FieldError
from evit_mobile.sweeps.front import Candidate, Limits, front, merit
from evit_mobile.sweeps.records import CellRecord
from evit_mobile.sweeps.results import records
from evit_mobile.sweeps.store import Store, open_store

COSTS = ("latency", "size")
OWN_REFERENCE = (
    "no labels: agreement is with each model's own reference, and says nothing about one model against another"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """All files of a sweep, the best first, and those of them that keep the limits. `gain` is what they are ordered by: "accuracy", or
    "agreement" with their own reference where there are no labels. `measured` says where latencies are from; `notes` what a reader
    should know.
    """

    out: str
    gain: str
    candidates: tuple[Candidate, ...]
    chosen: tuple[Candidate, ...]
    measured: str | None
    notes: tuple[str, ...]


def best(
    out: Path | str,
    *,
    max_ms: float | None = None,
    max_drop: float | None = None,
    max_mb: float | None = None,
    judge: str | None = None,
    measure: bool = False,
    report: Report = silent,
) -> Best:
    """What to ship of the sweep in `out`, a folder or URL: files that passed, on `judge` where one is named, and keep the limits.

    Latencies are those of one run of `profile`, in which the files took turns on one machine; with `measure` that is done first, here.
    Raises UsageError, ArtefactError, DeviceError.
    """
    limits = checked_limits(max_ms, max_drop, max_mb)
    store = open_store(str(out))
    found = finished_cells(store)
    if measure:
        measure_latencies(found, store, report)
    latencies, measured, notes = known_latencies(found, store)
    if max_ms is not None and measured is None:
        raise UsageError(
            got="--max-ms for a sweep whose latencies were not measured in turns",
            allowed="it after a measurement: cells run beside each other, and their times compare nothing",
            do="add --measure, on a quiet machine",
        )
    candidates = list(candidates_of(found, latencies))
    check_judge(judge, candidates)
    candidates = [one for one in candidates if judge in (None, one.on)]
    gain = "accuracy" if any(one.accuracy is not None for one in candidates) else "agreement"
    candidates = sorted(with_fronts(candidates, gain), key=merit(gain))
    if gain == "agreement":
        notes += (
            "no labels: agreement is with each model's own reference, and says nothing about one model against another",
        )
    return Best(
        out=str(out),
        gain=gain,
        candidates=tuple(candidates),
        chosen=tuple(filter(limits.kept_by, candidates)),
        measured=measured,
        notes=notes,
    )


def checked_limits(max_ms: float | None, max_drop: float | None, max_mb: float | None) -> Limits:
    """Raises UsageError for a limit below 0."""
    try:
        return Limits(max_ms=max_ms, max_drop=max_drop, max_mb=max_mb)
    except FieldError as error:
        raise UsageError(got=f"{error.path} {error.got}", allowed=error.allowed, do="correct it") from None


def finished_cells(store: Store) -> list[CellRecord]:
    """Raises UsageError where there is none."""
    if found := list(records(store)):
        return found
    raise UsageError(
        got=f"{store.url} without a finished cell",
        allowed="what `evit-mobile sweep` wrote",
        do="sweep first, or correct the path",
    )


def check_judge(judge: str | None, candidates: Iterable[Candidate]) -> None:
    """Raises UsageError for a judge that ran none of the files."""
    known = sorted({one.on for one in candidates})
    if judge is not None and judge not in known:
        raise UsageError(got=f"--judge {judge}", allowed=", ".join(known), do="name one of these")


def candidates_of(found: Iterable[CellRecord], latencies: dict[str, float]) -> Iterator[Candidate]:
    """Every file with every judge of it."""
    for record in found:
        for row in record.rows:
            yield Candidate(
                cell=record.name,
                title=f"{record.model} {record.size[0]}x{record.size[1]} {record.precision} {record.format}",
                path=f"cells/{record.name}/{row.path}",
                manifest=f"cells/{record.name}/manifest.json",
                on=row.on,
                runtime=row.runtime,
                verdict=row.verdict,
                bytes=row.bytes,
                sqnr_db=row.sqnr_db,
                accuracy=row.accuracy,
                agreement=row.agreement,
                lost_points=row.lost_points,
                latency_ms=latencies.get(row.sha256),
            )


def with_fronts(candidates: Sequence[Candidate], gain: str) -> Iterator[Candidate]:
    """Each with the costs for which nothing on its judge beats it."""
    by_judge = defaultdict(list)
    for one in candidates:
        by_judge[one.on].append(one)
    fronts = {(on, cost): front(some, cost, gain) for on, some in by_judge.items() for cost in COSTS}
    for one in candidates:
        yield replace(one, fronts=tuple(cost for cost in COSTS if one in fronts[one.on, cost]))


def measure_latencies(found: Iterable[CellRecord], store: Store, report: Report) -> None:
    """Profiles every file that a runtime of a phone runs here, in one run, in turns. Raises UsageError for a sweep that is no folder."""
    from evit_mobile.profiling.run import profile

    if not store.is_folder:
        raise UsageError(
            got=f"--measure for {store.url}", allowed="it for a sweep in a folder", do="copy the sweep into a folder"
        )
    paths = dict.fromkeys(
        Path(store.path(f"cells/{record.name}/{row.path}"))
        for record in found
        if not find_target(record.format).evaluated
        for row in record.rows
    )
    if paths:
        profile(list(paths), out=Path(store.path(PROFILE_NAME)), report=report)


def known_latencies(found: Iterable[CellRecord], store: Store) -> tuple[dict[str, float], str | None, tuple[str, ...]]:
    """Medians in ms by a file's SHA-256, of the one run that has most of them; where that was; and what was left out."""
    own = {row.sha256 for record in found for row in record.rows}
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in profile_lines(store):
        if item["artefact"]["sha256"] in own:
            runs[item["run"]].append(item)
    if not runs:
        return {}, None, ()
    chosen = max(reversed(runs.values()), key=lambda items: len({item["artefact"]["sha256"] for item in items}))
    latencies = {item["artefact"]["sha256"]: float(item["latency_ms"]["p50"]["value"]) for item in chosen}
    left = {item["artefact"]["sha256"] for items in runs.values() for item in items} - latencies.keys()
    first = chosen[0]
    processor = first["device"]["after"].get("cpu") or "an unnamed processor"
    threads = first["settings"]["threads"]
    where = f"in turns on {first['place']}, {processor}, {threads} thread(s), {first['time']}"
    others = f"{len(left)} files were measured in other runs only, whose latencies are not compared with these"
    signs = sorted({sign for item in chosen for sign in item["throttling"]["signs"]})
    return latencies, where, (*([others] if left else []), *signs)


def profile_lines(store: Store) -> list[dict[str, Any]]:
    """The records that `profile` has left with the sweep. Raises ArtefactError for a damaged file."""
    try:
        return [json.loads(line) for line in store.read(PROFILE_NAME).splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ArtefactError(
            got=f"{store.url}/{PROFILE_NAME} ({error})", allowed="what `evit-mobile profile` wrote", do="measure again"
        ) from None
