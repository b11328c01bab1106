"""report: one self-contained HTML page about a folder of artefacts and their profiles. Loads nothing from elsewhere, runs no script."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError
from converters.files import write_bytes
from evit_mobile.profiling.stored import PROFILE_NAME, read
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import ArtefactEntry, Manifest
from evit_mobile.record.plans import Plan, listed_plans, read_plan
from evit_mobile.report.lines import accuracy_cells, preprocessing_text
from evit_mobile.report.plots import Point, bars, histogram, scatter
from evit_mobile.report.profiles import by_kind, by_module, interval, load_and_first_run, remarks, sum_line
from evit_mobile.report.tables import delegation_cell

PAGE_NAME = "report.html"
SENSITIVITY_NAME = "sensitivity.json"
NEEDED = {"model", "images", "modules", "measured_sqnr_db", "predicted_sqnr_db"}
MODULE_DEPTH = 3
MAXIMUM_BARS = 24


def write_page(folder: Path, out: Path | None = None) -> Path:
    """Writes the page about `folder` to `out` or to report.html in it. Raises ArtefactError for a folder without a manifest."""
    manifest = read_manifest(folder)
    path = out or folder / PAGE_NAME
    plans = [read_plan(folder, name) for name in listed_plans(manifest)]
    write_bytes(path, page(manifest, latest_profiles(folder), plans, read_sensitivity(folder)).encode())
    return path


def read_sensitivity(folder: Path) -> dict[str, Any] | None:
    """What `evit-mobile sensitivity --json` printed, if it is in the folder. Raises ArtefactError for something else."""
    path = folder / SENSITIVITY_NAME
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        wrong = NEEDED - document.keys()
    except (OSError, ValueError, AttributeError) as error:
        document, wrong = {}, {str(error)}
    if wrong:
        raise ArtefactError(
            got=f"{path} without {', '.join(sorted(wrong))}",
            allowed="the output of `evit-mobile sensitivity --json`",
            do="write it again, or remove it",
        )
    return document


def latest_profiles(folder: Path) -> list[dict[str, Any]]:
    """The latest record of each artefact; none without a profile. Raises ArtefactError for a damaged one."""
    path = folder / PROFILE_NAME
    return list({item["artefact"]["name"]: item for item in read(path)}.values()) if path.exists() else []


def page(
    manifest: Manifest,
    profiles: list[dict[str, Any]],
    plans: Sequence[Plan] = (),
    sensitivity: dict[str, Any] | None = None,
) -> str:
    """The page's HTML. All text is escaped; only our own plots are put in as they are."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("evit_mobile.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    plot = scatter_of(manifest, profiles)
    return environment.get_template("page.html.j2").render(
        manifest=manifest,
        preprocessing=preprocessing_text(manifest.input),
        artefacts=[artefact_row(entry) for entry in manifest.artefacts],
        scatter=Markup(plot) if plot else "",  # our own SVG, its texts escaped
        profiles=[profile_row(item, Markup) for item in profiles],
        sensitivity=sensitivity_plot(sensitivity, Markup),
        plans=[plan_summary(plan) for plan in plans],
    )


def artefact_row(entry: ArtefactEntry) -> dict[str, Any]:
    """A manifest's entry with its numbers as text."""
    return {
        "entry": entry,
        "judges": [(one, accuracy_cells(one)) for one in entry.validations if len(entry.validations) > 1],
        "cells": accuracy_cells(entry.validation),
        "delegated": delegation_cell(entry.delegation),
        "fallback": () if entry.delegation is None else entry.delegation.fallback,
    }


def profile_row(item: dict[str, Any], markup: Any) -> dict[str, Any]:
    """A record with its numbers as text and its plots."""
    latency, name = item["latency_ms"], item["artefact"]["name"]
    first = load_and_first_run(item)
    processor = item["device"]["after"].get("cpu") or ""
    return {
        "name": name,
        "where": f"{item['place']}, {processor}, {item['settings']['threads']} thread(s), {item['runtime']['name']}",
        "p50": interval(latency["p50"]),
        "p90": f"{latency['p90']['value']:.3f}",
        "p99": f"{latency['p99']['value']:.3f}",
        "first": "-" if first is None else f"{first:.1f}",
        "runs": latency["runs"],
        "histogram": markup(histogram(item["latencies_ms"], "ms", f"Latencies of {name}")),
        "remarks": [line for line in remarks([item]) if "energy unavailable" not in line],
        "operators": operator_plots(item, markup),
        "no_operators": item["operators"].get("unavailable"),
        "energy": energy_text(item["energy"]),
    }


def operator_plots(item: dict[str, Any], markup: Any) -> dict[str, Any] | None:
    """Bars by kind and by module, and the line about their sum; None where operators are unavailable."""
    operators, name = item["operators"], item["artefact"]["name"]
    if "unavailable" in operators:
        return None
    kinds = [(f"{count} x {kind}", ms) for kind, count, ms in by_kind(operators["rows"])][:MAXIMUM_BARS]
    outside = [] if operators.get("estimated") else [("outside operators", operators["unattributed_ms"])]
    modules = by_module(operators["rows"], MODULE_DEPTH)[:MAXIMUM_BARS]
    return {
        "kinds": markup(bars(kinds + outside, "ms", f"Time of {name} by kind of operator")),
        "modules": markup(bars(modules + outside, "ms", f"Time of {name} by module")),
        "sum": sum_line(operators),
    }


def energy_text(energy: dict[str, Any]) -> str:
    """Energy in words."""
    if "unavailable" in energy:
        return f"unavailable: {energy['unavailable']}"
    return (
        f"{interval(energy['mj_per_inference'])} mJ per inference above idle, {interval(energy['average_w'])} W on average"
        f" ({energy['source']}, steps of {energy['resolution_mj']} mJ)"
    )


def scatter_of(manifest: Manifest, profiles: list[dict[str, Any]]) -> str | None:
    """Latency against accuracy of the artefacts that have both; None where none has. Without labels, agreement is the accuracy."""
    latency = {item["artefact"]["name"]: item["latency_ms"]["p50"]["value"] for item in profiles}
    measured = [(entry, entry.validation) for entry in manifest.artefacts if entry.path in latency]
    title = "top-1, %"
    found = [(entry, one.top1_artefact) for entry, one in measured if one.top1_artefact is not None]
    if not found:
        title = "agreement with the reference, %"
        found = [(entry, 100 * one.top1_agreement) for entry, one in measured if one.top1_agreement is not None]
    if not found:
        return None
    largest = max(entry.bytes for entry, _ in found)
    points = [
        Point(
            label=f"{entry.format} {entry.precision}",
            x=latency[entry.path],
            y=accuracy,
            size=entry.bytes / largest,
        )
        for entry, accuracy in found
    ]
    return scatter(points, "median latency, ms", title, "Latency, accuracy and size of the artefacts")


def sensitivity_plot(document: dict[str, Any] | None, markup: Any) -> dict[str, Any] | None:
    """Bars of the most harmful modules, and the whole in words; None without a ranking."""
    if document is None:
        return None
    shown = document["modules"][:MAXIMUM_BARS]
    rows = [(module["module"] or "(top)", 100 * module["share"]) for module in shown]
    return {
        "bars": markup(bars(rows, "%", "Share of the noise in the logits by module", digits=1)),
        "shown": len(shown),
        "total": len(document["modules"]),
        "model": document["model"],
        "images": document["images"],
        "measured": f"{document['measured_sqnr_db']:.1f}",
        "predicted": f"{document['predicted_sqnr_db']:.1f}",
    }


def plan_summary(plan: Plan) -> dict[str, Any]:
    """How much is int8, and why the rest is not."""
    reasons = Counter(f"{decision.operation}: {decision.reason}" for decision in plan.float)
    return {
        "precision": plan.profile,
        "int8": len(plan.activations) + len(plan.weights),
        "total_float": len(plan.float),
        "reasons": reasons.most_common(),
    }
