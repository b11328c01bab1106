"""From turns and logits to results: medians, paired ratios, shares of the peak, accuracy. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import peak
from benchmarks.candidates import Candidate, Origin, Runtime
from benchmarks.measurement import Measured, clock_for
from benchmarks.results import Accuracy, Peak, Result, Timing
from benchmarks.statistics import Spread, paired_ratios, spread
from converters.contract import Precision
from evit_mobile.metrics import compare, top1_agreement, top_k_accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The reference's logits (N, classes) on the held-out images, and the labels (N,) where they mean something."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64] | None


def result(
    candidate: Candidate,
    candidates: Sequence[Candidate],
    measured: Mapping[int, Mapping[str, Measured]],
    truth: Truth,
    macs: int,
) -> Result:
    """What `measured` (by thread count, then by name) says about `candidate`, beside all `candidates` of the comparison."""
    if candidate.error is not None:
        return Result(candidate=candidate, accuracy=None, timings=(), error=candidate.error)
    mine = [by_name[candidate.name] for by_name in measured.values()]
    error = next((item.error for item in mine if item.error is not None), None)
    logits = next((item.logits for item in mine if item.logits is not None), None)
    timings = tuple(
        timing(candidate, candidates, by_name, threads, macs)
        for threads, by_name in measured.items()
        if by_name[candidate.name].turns
    )
    accuracy = None if logits is None else judge(logits, truth)
    return Result(candidate=candidate, accuracy=accuracy, timings=timings, error=error)


def timing(
    candidate: Candidate, candidates: Sequence[Candidate], measured: Mapping[str, Measured], threads: int, macs: int
) -> Timing:
    """A candidate's figures on one thread count."""
    clock = clock_for(threads)

    def seconds(item: Candidate | None) -> list[float]:
        """Of each round; none if the candidate does not exist or did not run."""
        turns = measured[item.name].turns if item is not None and item.name in measured else ()
        return [turn.seconds(clock) for turn in turns]

    mine, turns = seconds(candidate), measured[candidate.name].turns
    speeds = [peak.MACS / value for value in seconds(find_peak(candidates, candidate.precision))]
    return Timing(
        threads=threads,
        clock=clock,
        rounds_ms=tuple(1e3 * value for value in mine),
        ms=spread(mine).scaled(1e3),
        wall_ms=spread([turn.wall_s for turn in turns]).scaled(1e3),
        cpu_ms=spread([turn.cpu_s for turn in turns]).scaled(1e3),
        of_stock=ratio(mine, seconds(find_stock(candidates, candidate))),
        of_lead=ratio(mine, seconds(find_lead(candidates))),
        peak_share=ratio([macs / value for value in mine], speeds),
    )


def ratio(values: Sequence[float], baseline: Sequence[float]) -> Spread | None:
    """Paired ratios; None where the baseline has not run."""
    return spread(paired_ratios(values, baseline)) if baseline else None


def find_stock(candidates: Sequence[Candidate], candidate: Candidate) -> Candidate | None:
    """The stock fp32 file of the candidate's runtime and model."""
    wanted = (candidate.model, candidate.runtime, Origin.STOCK, Precision.FP32)
    return find(candidates, wanted)


def find_lead(candidates: Sequence[Candidate]) -> Candidate | None:
    """Our int8 LiteRT file of the comparison's first model: what everything else is compared with."""
    return find(candidates, (candidates[0].model, Runtime.LITERT, Origin.OURS, Precision.INT8))


def find_peak(candidates: Sequence[Candidate], precision: Precision) -> Candidate | None:
    return find(candidates, (peak.MODEL, Runtime.LITERT, Origin.OURS, precision))


def find(candidates: Sequence[Candidate], wanted: tuple[str, Runtime, Origin, Precision]) -> Candidate | None:
    matches = (item for item in candidates if (item.model, item.runtime, item.origin, item.precision) == wanted)
    return next(matches, None)


def peaks(candidates: Sequence[Candidate], measured: Mapping[int, Mapping[str, Measured]]) -> tuple[Peak, ...]:
    """The peaks that the comparison itself measured."""
    return tuple(
        Peak(
            precision=candidate.precision,
            threads=threads,
            gmacs_per_s=spread(
                [peak.MACS / turn.seconds(clock_for(threads)) / 1e9 for turn in by_name[candidate.name].turns]
            ),
        )
        for threads, by_name in measured.items()
        for candidate in candidates
        if candidate.model == peak.MODEL and by_name[candidate.name].turns
    )


def judge(logits: NDArray[np.float32], truth: Truth) -> Accuracy:
    """Accuracy of a candidate. Raises ValueError for logits of another shape than the reference's."""
    comparison = compare(logits, truth.logits, top1_agreement)
    assert comparison.top1_agreement is not None  # every subject is a classifier
    return Accuracy(
        sqnr_db=comparison.sqnr_db,
        top1_agreement=comparison.top1_agreement,
        top1=None if truth.labels is None else top_k_accuracy(logits, truth.labels, 1),
    )
