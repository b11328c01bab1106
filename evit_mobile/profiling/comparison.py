"""compare: the latest profiles of two artefacts, or of the artefacts that two files have in common."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError
from converters.registry import target_of
from evit_mobile.profiling.stored import NO_DIFFERENCE, PROFILE_NAME, read
from evit_mobile.statistics import ratio, unpaired_ratio


def compare(first: Path | str, second: Path | str) -> dict[str, Any]:
    """{"comparisons": [...]}: B's latency over A's with a 95 % interval, for every pair.

    A and B are artefacts (their latest record in the profile.jsonl beside them) or profile files (all artefacts in both, by name).
    Artefacts that were measured in the same run are compared block by block (`paired`); others by their medians.
    Raises ArtefactError when one was not profiled.
    """
    first, second = Path(first), Path(second)
    before, after = latest(first), latest(second)
    names = [(name, name) for name in before if name in after]
    if target_of(first) and target_of(second):
        names = [(first.name, second.name)]
    if not names:
        raise ArtefactError(
            got=f"{first} and {second}, which have no artefact in common",
            allowed="two profiled artefacts, or two files with profiles of the same artefacts",
            do="profile the same artefacts, or name two artefacts",
        )
    return {"comparisons": [comparison(before[a], after[b]) for a, b in names]}


def latest(path: Path) -> dict[str, dict[str, Any]]:
    """The latest record of an artefact, or of each artefact in a file, by name. Raises ArtefactError."""
    if target_of(path) is None:
        return {item["artefact"]["name"]: item for item in read(path)}
    records = {item["artefact"]["name"]: item for item in read(path.parent / PROFILE_NAME)}
    if path.name not in records:
        raise ArtefactError(
            got=f"{path}, of which {path.parent / PROFILE_NAME} has no profile",
            allowed=", ".join(records) or "nothing: the file is empty",
            do=f"evit-mobile profile {path}",
        )
    return {path.name: records[path.name]}


def comparison(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """One line of the answer. `verdict` is faster or slower when the interval excludes 1, else "no difference seen"."""
    same_run = before["run"] == after["run"] and len(before["blocks_ms"]) == len(after["blocks_ms"])
    change = (
        ratio(after["blocks_ms"], before["blocks_ms"])
        if same_run
        else unpaired_ratio(after["latencies_ms"], before["latencies_ms"])
    )
    verdict = "faster" if change.high < 1 else "slower" if change.low > 1 else NO_DIFFERENCE
    return {
        "a": description(before),
        "b": description(after),
        "paired": same_run,
        "ratio": dataclasses.asdict(change),
        "verdict": verdict,
        "cautions": cautions(before, after),
    }


def description(record: dict[str, Any]) -> dict[str, Any]:
    """What identifies a record."""
    return {
        "artefact": record["artefact"]["name"],
        "sha256": record["artefact"]["sha256"],
        "time": record["time"],
        "place": record["place"],
        "p50_ms": record["latency_ms"]["p50"],
        "energy": record["energy"],
    }


def cautions(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Why the comparison may not be fair."""
    found = []
    if before["place"] != after["place"]:
        found.append(f"different places: {before['place']} and {after['place']}")
    if before["runtime"] != after["runtime"]:
        found.append("different runtimes: " + " and ".join(" ".join(i["runtime"].values()) for i in (before, after)))
    if before["settings"]["threads"] != after["settings"]["threads"]:
        found.append(f"different threads: {before['settings']['threads']} and {after['settings']['threads']}")
    first, second = (item["device"]["after"].get("cpu") for item in (before, after))
    if first != second:
        found.append(f"different processors: {first} and {second}")
    for name, item in (("A", before), ("B", after)):
        found += [f"{name}: {sign}" for sign in item["throttling"]["signs"]]
    return found
