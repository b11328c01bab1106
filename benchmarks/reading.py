"""Sentences about a comparison, from its figures alone: where our int8 LiteRT file leads and where it does not."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.candidates import Candidate, Origin, Runtime
from benchmarks.results import Comparison, Result, Timing
from converters.contract import Precision

EVEN = 0.03
"""Times closer than this are called level."""

BUSY = 1.1
"""Wall time over processor time on one thread, above which others had the processor for a noticeable share."""


def findings(comparison: Comparison) -> list[str]:
    """On one thread; nothing where the lead was not measured."""
    timed = [(result, timing) for result in comparison.results for timing in result.timings if timing.threads == 1]
    lead = next((pair for pair in timed if is_lead(pair[0].candidate, comparison)), None)
    if lead is None:
        return []
    timings = [timing for _, timing in timed]
    return [*busy(timings), *against_others(lead[0], timed), *against_stock(timed), *conversion(comparison)]


def busy(timings: list[Timing]) -> Iterator[str]:
    """A warning when one thread waited for the processor: then others were using the machine."""
    waiting = statistics.median(timing.wall_ms.median / timing.cpu_ms.median for timing in timings)
    if waiting > BUSY:
        yield (
            f"The machine was busy: on one thread, wall time was {waiting:.1f} times processor time. "
            "Wall times on all cores then say nothing, and one-thread times are a little high."
        )


def is_lead(candidate: Candidate, comparison: Comparison) -> bool:
    """Our int8 LiteRT file of the comparison's first model."""
    wanted = (comparison.models[0].name, Runtime.LITERT, Origin.OURS, Precision.INT8)
    return (candidate.model, candidate.runtime, candidate.origin, candidate.precision) == wanted


def against_others(lead: Result, timed: list[tuple[Result, Timing]]) -> Iterator[str]:
    """Whom the lead beats, whom it does not, by the time of the others as a multiple of its own."""
    slower: list[tuple[float, str]] = []
    level: list[tuple[float, str]] = []
    faster: list[tuple[float, str]] = []
    for result, timing in timed:
        if result is lead or timing.of_lead is None:
            continue
        multiple = timing.of_lead.median
        place = level if abs(multiple - 1) <= EVEN else slower if multiple > 1 else faster
        place.append((multiple, f"{words(result, lead)} ({multiple:.2f}x)"))
    subject = f"{lead.candidate.model}, LiteRT int8, ours"
    for group, verb in ((slower, "is faster than"), (level, "is level with"), (faster, "is slower than")):
        if group:
            yield f"{subject}, {verb} {outermost([text for _, text in sorted(group)])}."


def outermost(texts: list[str]) -> str:
    """One or two names, or of more the first and the last: the table has all."""
    if len(texts) <= 2:
        return " and ".join(texts)
    return f"{len(texts)} others, from {texts[0]} to {texts[-1]}"


def words(result: Result, lead: Result) -> str:
    candidate = result.candidate
    model = "" if candidate.model == lead.candidate.model else f"{candidate.model}, "
    return f"{model}{candidate.runtime} {candidate.origin} {candidate.precision}"


def against_stock(timed: list[tuple[Result, Timing]]) -> Iterator[str]:
    """Our files against the stock fp32 file of their runtime."""
    for result, timing in timed:
        candidate = result.candidate
        if candidate.origin is Origin.OURS and timing.of_stock is not None:
            ratio = timing.of_stock
            spread = f"[{ratio.lower:.2f}, {ratio.upper:.2f}]"
            yield f"{candidate.runtime} {candidate.precision}, {candidate.origin}: {ratio.median:.2f} {spread} of stock fp32."


def conversion(comparison: Comparison) -> Iterator[str]:
    """Our int8 conversion against the stock fp32 one, both for LiteRT."""
    seconds = {
        (item.candidate.origin, item.candidate.precision): item.candidate.convert_cpu_s
        for item in comparison.results
        if item.candidate.runtime is Runtime.LITERT and item.candidate.model == comparison.models[0].name
    }
    ours, stock = seconds.get((Origin.OURS, Precision.INT8)), seconds.get((Origin.STOCK, Precision.FP32))
    if ours is not None and stock is not None:
        yield (
            f"Converting to int8 .tflite, calibration included, took {ours:.1f} s of processor time, "
            f"{ours / stock:.2f} of the stock fp32 conversion ({stock:.1f} s)."
        )
