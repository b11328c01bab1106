"""Tables of profiles and of their comparison for the terminal."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evit_mobile.profiling.stored import NO_DIFFERENCE
from evit_mobile.report.names import Name
from evit_mobile.report.operator_words import operator_words

SLOWEST_KINDS = 6
MODULE_DEPTH = 3
SLOWEST_MODULES = 8
MEGABYTE = 1e6
LEGEND = "±: half of the 95 % interval. first: load and first run, ms. MB: peak memory above that of the runtime without the model."


def profile_tables(document: dict[str, Any]) -> RenderableType:
    """Latency of all artefacts, then what is known of each one's operators, then ratios and cautions."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("artefact")
    for heading in ("p50 ms", "p90", "p99", "first", "MB", "mJ", "runs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in document["profiles"]:
        table.add_row(*latency_cells(item))
    parts: list[RenderableType] = [table]
    for item in document["profiles"]:
        parts += operator_tables(item)
    parts += [Text(ratio_line(item)) for item in document["ratios"]]
    return Group(
        *parts,
        *(Text(line, style="yellow") for line in remarks(document["profiles"])),
        *(Text(line, style="dim") for line in reference_lines(document["profiles"])),
        Text(LEGEND, style="dim"),
    )


def reference_lines(profiles: list[dict[str, Any]]) -> list[str]:
    """What stands beside energy for reference only; nothing where no artefact's MACs are known."""
    macs = {item["artefact"]["model"]: item["artefact"]["macs"] for item in profiles if item["artefact"].get("macs")}
    named = ", ".join(
        f"{count / 1e6:.0f} M multiply-accumulates per inference of {model}" for model, count in macs.items()
    )
    return (
        [f"For reference only, not measured here: the 2.6 W that the project's request named; {named}."] if macs else []
    )


def latency_cells(item: dict[str, Any]) -> list[RenderableType]:
    """One row: median with its interval, tail, load and first run, memory above the runtime's own, energy."""
    latency = item["latency_ms"]
    first = load_and_first_run(item)
    peak, before = item["memory"]["peak_bytes"], item["memory"]["before_load_bytes"]
    used = None if peak is None else (peak - (before or 0)) / MEGABYTE
    energy = item["energy"].get("mj_per_inference")
    return [
        Name(item["artefact"]["name"].removeprefix("efficientvit_")),
        interval(latency["p50"]),
        f"{latency['p90']['value']:.2f}",
        f"{latency['p99']['value']:.2f}",
        "-" if first is None else f"{first:.0f}",
        "-" if used is None else f"{used:.1f}",
        "-" if energy is None else interval(energy),
        str(latency["runs"]),
    ]


def load_and_first_run(item: dict[str, Any]) -> float | None:
    """Ms until the first result; None where the place does not tell."""
    load_ms, first_run_ms = item["load_ms"], item["first_run_ms"]
    return None if load_ms is None or first_run_ms is None else float(load_ms + first_run_ms)


def interval(estimate: dict[str, float]) -> str:
    """A value with half of its 95 % interval, which has two digits."""
    half = (estimate["high"] - estimate["low"]) / 2
    digits = max(0, 1 - math.floor(math.log10(half))) if half > 0 else 3
    return f"{estimate['value']:.{digits}f} ±{half:.{digits}f}"


def operator_tables(item: dict[str, Any]) -> list[RenderableType]:
    """Where the time goes, by kind of operator and by module."""
    operators, name = item["operators"], item["artefact"]["name"]
    if "unavailable" in operators:
        return [Text(f"{name}: operators unavailable: {operators['unavailable']}")]
    table = Table(title=f"{name}: operators", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("operator", "count", "ms", "share", "module", "ms", "share"):
        named = heading in ("operator", "module")
        table.add_column(heading, justify="left" if named else "right", no_wrap=not named)
    kinds = by_kind(operators["rows"])[:SLOWEST_KINDS]
    modules = sorted(by_module(operators["rows"], MODULE_DEPTH), key=lambda entry: -entry[1])[:SLOWEST_MODULES]
    whole = operators["whole_ms"]
    for position in range(max(len(kinds), len(modules))):
        left, right = kinds[position : position + 1], modules[position : position + 1]
        table.add_row(
            *(
                cells
                for kind, count, ms in left
                for cells in (Name(kind), str(count), f"{ms:.3f}", f"{100 * ms / whole:.0f} %")
            ),
            *([""] * 4 if not left else []),
            *(cells for module, ms in right for cells in (Name(module), f"{ms:.3f}", f"{100 * ms / whole:.0f} %")),
        )
    outside = operators["unattributed_ms"]
    if not operators.get("estimated"):
        table.add_row("outside operators", "", f"{outside:.3f}", f"{100 * outside / whole:.0f} %", *([""] * 3))
    return [table, Text(sum_line(operators), style="dim")]


def sum_line(operators: dict[str, Any]) -> str:
    """How much of the whole the operators add up to, how much of the rest can be rounding, and what profiling itself costs."""
    if operators.get("estimated"):
        return str(operators["source"])
    profiled = operators.get("profiled_ms")
    cost = "" if profiled is None else f", profiling adds {100 * (profiled / operators['whole_ms'] - 1):.0f} %"
    return (
        f"sum {operators['sum_ms']:.3f} ms of {operators['whole_ms']:.3f} ms ({100 * operators['share']:.0f} %);"
        f" unattributed {operators['unattributed_ms']:.3f} ms, rounding hides up to {operators['rounding_ms']:.3f} ms{cost}"
        f" ({operators['source']})"
    )


def ratio_line(item: dict[str, Any]) -> str:
    return (
        f"{item['artefact']} takes {item['value']:.3f} times as long as {item['to']}"
        f" (95 %: {item['low']:.3f} to {item['high']:.3f}, paired)"
    )


def remarks(profiles: list[dict[str, Any]]) -> list[str]:
    """What limits the results."""
    lines = []
    for item in profiles:
        name = item["artefact"]["name"]
        if not item["precise"]:
            lines.append(f"{name}: the budget ended before the median was known within {item['settings']['bound']:.1%}")
        if not item["steady"]:
            lines.append(f"{name}: latencies were still falling when the warm-up ended")
        lines += [f"{name}: throttling: {sign}" for sign in item["throttling"]["signs"]]
        lines += [f"{name}: {line}" for line in field_lines(item)]
        if "unavailable" in item["energy"]:
            lines.append(f"{name}: energy unavailable: {item['energy']['unavailable']}")
    return lines


def field_lines(item: dict[str, Any]) -> list[str]:
    """What MetricKit says of the app in use."""
    return [
        f"MetricKit until {payload['end']}: {post['count']} x {post['name']}"
        + ("" if post["median_at_most_ms"] is None else f", half of them within {post['median_at_most_ms']:g} ms")
        for payload in item.get("metrickit", [])
        for post in payload["signposts"]
    ]


def comparison_table(document: dict[str, Any]) -> RenderableType:
    """B against A, a paragraph each."""
    lines = []
    for item in document["comparisons"]:
        change = item["ratio"]
        lines += [
            Text(f"{side.upper()}: {item[side]['artefact']}, {item[side]['time']}: {interval(item[side]['p50_ms'])} ms")
            for side in ("a", "b")
        ]
        lines.append(
            Text(
                f"B / A = {change['value']:.3f} (95 %: {change['low']:.3f} to {change['high']:.3f},"
                f" {'paired' if item['paired'] else 'not paired'}): "
                + (f"B is {item['verdict']}" if item["verdict"] != NO_DIFFERENCE else item["verdict"]),
                style="bold",
            )
        )
        lines += [Text(line, style="yellow") for line in item["cautions"]]
    return Group(*lines)


def by_module(rows: list[dict[str, Any]], depth: int) -> list[tuple[str, float]]:
    """(module path cut to `depth` parts, ms), in the order of execution. Operators of no known module are "(other)"."""
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        totals[".".join(row["module"].split(".")[:depth]) if row["module"] else "(other)"] += row["ms"]
    return list(totals.items())


def by_kind(rows: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """(kind in words, number of operators, ms), slowest first."""
    counts: dict[str, int] = defaultdict(int)
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        kind = operator_words(row["operator"], row["kind"])
        counts[kind] += 1
        totals[kind] += row["ms"]
    return sorted(((kind, counts[kind], total) for kind, total in totals.items()), key=lambda entry: -entry[2])
