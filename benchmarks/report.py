"""docs/benchmarks.md, from the result files: what was measured, on what, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.bounds import Bound, bounds_section, read_bounds
from benchmarks.candidates import Origin
from benchmarks.cost.page import cost_section, read_costs
from benchmarks.cost.results import Cost
from benchmarks.machine import machine_words
from benchmarks.reading import findings
from benchmarks.results import Comparison, Result, Timing, from_json
from benchmarks.tables import number, percent, table

INTRODUCTION = """\
# Benchmarks

Written by `make bench` from `benchmarks/results/*.json`, which hold every round; do not edit.

Each table's files were measured side by side in one run: each in a process of its own, one running at a time, in turns and in
another order each round ([why](../benchmarks/measurement.py)). Figures are medians over the rounds, with quartiles in brackets; ratios
are taken within each round. On one thread, time is the processor time of the process, which other work on the machine disturbs only
through shared caches and cores. On all cores it is wall time, which it disturbs fully. Timed is the inference alone, the input in place.

- *stock* is the runtime's own converter on the unmodified PyTorch module. That is litert-torch with ai-edge-quantizer (static int8)
  for LiteRT, and the XNNPACK partitioner with the PT2E quantizer for ExecuTorch. For ONNX Runtime it is torch's exporter and static
  quantization in its fastest setting: QDQ, unsigned activations, per channel. OpenVINO has nncf, and ncnn has pnnx.
- ncnn's int8 tools are not on the package index, so it runs fp32 only. It has no 6-D tensors and no split along the batch axis. So M
  variants do not run on it, neither as they are nor in our form.
- *x stock fp32*: time as a multiple of the stock fp32 file's on the same runtime; below 1 is faster.
- *x lead*: time as a multiple of our int8 LiteRT file's of the table's first model; above 1 is slower.
- *peak*: multiply-accumulates per second as a share of what large 1x1 convolutions of the same precision
  reach in LiteRT in the same rounds.
- *SQNR* and *agreement* (of the top class) are against the PyTorch reference on held-out images, all calibrated on the same 256 others.
- *conversion*: processor seconds from module (int8 of stock routes: from the fp32 file, except ExecuTorch) to file, imports left out.
"""

HEADINGS = (
    "runtime", "converter", "precision", "ms, 1 thread", "x stock fp32", "x lead", "peak", "ms, all cores", "SQNR dB", "agreement",
    "top-1 %", "MB", "conversion s",
)  # fmt: skip


def write_document(results: Path, document: Path) -> None:
    """Writes `document` from all result files in `results`."""
    comparisons = [read_comparison(path) for path in sorted(results.glob("*.json"))]
    document.write_text(to_markdown(comparisons, read_bounds(results / "bounds"), read_costs(results / "cost")))


def read_comparison(path: Path) -> Comparison:
    return from_json(Comparison, json.loads(path.read_text()))


def to_markdown(comparisons: Sequence[Comparison], bounds: Sequence[Bound] = (), costs: Sequence[Cost] = ()) -> str:
    """The whole page."""
    sections = [section(comparison) for comparison in comparisons]
    further = [text for text in (bounds_section(bounds, comparisons), cost_section(costs)) if text]
    return "\n".join([INTRODUCTION, *sections, *further])


def section(comparison: Comparison) -> str:
    """One comparison: conditions, table, failures, and what it says."""
    several = len(comparison.models) > 1
    rows = [row(result, named=several) for result in comparison.results if result.timings]
    headings = ("model", *HEADINGS) if several else HEADINGS
    parts = [f"## {comparison.title}", "\n".join(conditions(comparison)), table(headings, rows)]
    failures = [
        f"- {label(item, named=several)}: {item.error}" for item in comparison.results if item.error is not None
    ]
    if failures:
        parts.append("Did not convert or did not run:\n\n" + "\n".join(failures))
    said = findings(comparison)
    if said:
        parts.append("What it says:\n\n" + "\n".join(f"- {sentence}" for sentence in said))
    return "\n\n".join(parts) + "\n"


def conditions(comparison: Comparison) -> Iterable[str]:
    """Model, machine and versions, as list items."""
    for model in comparison.models:
        weights = "trained weights" if model.weights == "bundled" else "random weights and randomised norms"
        top1 = "" if model.reference_top1 is None else f", reference top-1 {model.reference_top1:.2f} %"
        size = "x".join(map(str, model.size))
        yield f"- {model.name}: {model.macs / 1e6:.0f} M MACs at {size}, {model.params / 1e6:.1f} M parameters, {weights}{top1}"
    yield f"- {comparison.date} UTC, {machine_words(comparison.machine)}"
    yield f"- {comparison.rounds} rounds of {comparison.turn_s * 1e3:.0f} ms a turn, {comparison.images} images"
    peaks = (
        f"{peak.precision} {number(peak.gmacs_per_s, 0)} on {threads_words(peak.threads)}" for peak in comparison.peaks
    )
    yield f"- peak in 10^9 MACs/s: {', '.join(peaks)}"
    yield "- " + ", ".join(f"{package} {version}" for package, version in comparison.versions.items())


def threads_words(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def row(result: Result, *, named: bool) -> tuple[str, ...]:
    """One file's cells, with its model's name first if there are several models."""
    candidate, accuracy = result.candidate, result.accuracy
    single = next((timing for timing in result.timings if timing.threads == 1), None)
    several = next((timing for timing in result.timings if timing.threads != 1), None)
    cells = (
        candidate.runtime,
        candidate.origin,
        candidate.precision,
        time_cell(single),
        number(single.of_stock, 2) if single else "-",
        number(single.of_lead, 2) if single else "-",
        percent(single.peak_share) if single else "-",
        time_cell(several),
        "-" if accuracy is None else f"{accuracy.sqnr_db:.1f}",
        "-" if accuracy is None else f"{accuracy.top1_agreement:.3f}",
        "-" if accuracy is None or accuracy.top1 is None else f"{accuracy.top1:.2f}",
        f"{candidate.bytes / 1e6:.2f}",
        "-" if candidate.convert_cpu_s is None else f"{candidate.convert_cpu_s:.1f}",
    )
    ours = candidate.origin is Origin.OURS
    named_cells = (candidate.model, *cells) if named else cells
    return tuple(f"**{cell}**" for cell in named_cells) if ours and not named else named_cells


def label(result: Result, *, named: bool) -> str:
    candidate = result.candidate
    words = f"{candidate.runtime}, {candidate.origin}, {candidate.precision}"
    return f"{candidate.model}, {words}" if named else words


def time_cell(timing: Timing | None) -> str:
    return "-" if timing is None else f"{timing.ms.median:.2f} [{timing.ms.lower:.2f}, {timing.ms.upper:.2f}]"
