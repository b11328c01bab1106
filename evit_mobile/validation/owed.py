"""What an artefact owes, as an ordered table: the metrics of a verdict, each held against its threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evit_mobile.findings import Hop
from evit_mobile.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What running an artefact showed: every hop from the reference on, top-1 in percent where labels are known, and what there is to say
    about agreement.
    """

    hops: tuple[Hop, ...]
    top1_reference: float | None = None
    top1_artefact: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`value` is None where it does not apply; `least` is what the thresholds ask of it; `words` tell both, {0} and {1}, and may name
    {start}, the stage before the artefact, and {detail}.
    """

    name: str
    value: Callable[[Seen], float | None]
    least: Callable[[Thresholds, Seen], float]
    words: str


def faithful_db(seen: Seen) -> float | None:
    """SQNR against the program that was lowered; None for an artefact that is held against the reference alone, proven again later."""
    return seen.hops[-1].step.sqnr_db if len(seen.hops) > 1 else None


def counted_top1(seen: Seen) -> float | None:
    return None if seen.top1_reference is None else seen.top1_artefact


METRICS = (
    Metric(
        name="sqnr_db",
        value=lambda seen: seen.hops[-1].total.sqnr_db,
        least=lambda limits, _: limits.min_sqnr_db,
        words="SQNR {0:.1f} dB, at least {1:.1f} dB required",
    ),
    Metric(
        name="top1_agreement",
        value=lambda seen: seen.hops[-1].total.top1_agreement,
        least=lambda limits, _: limits.min_top1_agreement,
        words="agreement {0:.4f}, at least {1:.4f} required{detail}",
    ),
    Metric(
        name="faithful_db",
        value=faithful_db,
        least=lambda limits, _: limits.min_faithful_db,
        words="SQNR {0:.1f} dB against the {start} program, at least {1:.1f} dB required",
    ),
    Metric(
        name="top1",
        value=counted_top1,
        least=lambda limits, seen: (seen.top1_reference or 0.0) - limits.max_top1_drop,
        words="top-1 {0:.2f} %, at least {1:.2f} % required",
    ),
)
"""A new one is a row here, its threshold a field of `Thresholds` and its figure one of `Validation`."""


def find_faults(seen: Seen, limits: Thresholds) -> list[str]:
    """Every threshold that is missed, in words. A NaN misses every threshold."""
    faults = []
    for metric in METRICS:
        value, least = metric.value(seen), metric.least(limits, seen)
        if value is not None and not value >= least:
            faults.append(metric.words.format(value, least, start=seen.hops[-1].start, detail=seen.detail))
    return faults
