"""What was found out about artefacts and models: frozen nouns that everything may know. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from converters.contract import Artefact, Delegation
from evit_mobile.figures import Comparison, Estimate
from evit_mobile.spec import Variation
from evit_mobile.strict_json import Measured

WeightsKind = Literal["bundled", "file", "hub", "module", "random"]
"""Where weights come from: the package, a checkpoint, a hub, a live module, or a generator when asked for."""


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step on the way from the reference to the artefact. `step` compares its two ends, `total` its end with the
    reference, so a drop is attributed to the step where it happens.
    """

    start: str
    end: str
    step: Comparison
    total: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What running the artefact on `images` held-out images showed. `on` is the judge's name, `runtime` what it is in words. Top-1 is
    in percent, None without labels. `top_ties` is the fraction of images (or pixels) whose largest logit is that of several classes, None
    where no largest one is asked for. With `probabilities` the other figures are of these, the
    reference's being the softmax of its logits.
    """

    verdict: Verdict
    reason: str
    images: int
    runtime: str
    sqnr_db: float | None = None
    cosine: float | None = None
    max_abs_error: float | None = None
    top1_agreement: float | None = None
    top1_reference: float | None = None
    top1_artefact: float | None = None
    top_ties: float | None = None
    hops: tuple[Hop, ...] = ()
    on: str = ""
    probabilities: bool = False


def not_run(runtime: str, reason: str) -> Validation:
    """The validation of an artefact that could not be run here."""
    return Validation(verdict=Verdict.NOT_RUN, reason=reason, images=0, runtime=runtime)


def failed(runtime: str, reason: str) -> Validation:
    """The validation of an artefact that failed before any image ran."""
    return Validation(verdict=Verdict.FAILED, reason=reason, images=0, runtime=runtime)


def verdict_of_all(validations: Sequence[Validation]) -> Validation:
    """What the first judge found, but with the verdict of all: passed where each passed, failed where one failed."""
    first, *others = validations
    verdicts = {one.verdict for one in validations}
    if not others or verdicts == {Verdict.PASSED}:
        return first
    faults = [
        one.reason if one is first else f"{one.on}: {one.reason}"
        for one in validations
        if one.verdict is not Verdict.PASSED
    ]
    verdict = Verdict.FAILED if Verdict.FAILED in verdicts else Verdict.NOT_RUN
    return replace(first, verdict=verdict, reason="; ".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeValidation:
    """What running a package's function for images of `size` = (height, width) pixels showed."""

    size: tuple[int, int]
    function: str
    validation: Validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Medians of one image in ms, and the ratio of `ms` to `fp32_ms` round by round with its 95 % interval."""

    ms: float
    fp32_ms: float
    ratio: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How far a variation is the original on held-out images: the fraction of equal classes, and its top-1 in percent."""

    agreement: float
    top1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a variation learned to follow the original.

    `weights`, `source` and `sha256` are the original's, as in a manifest's "model"; `labels` its class names, `preprocess` its
    preprocessing as in a manifest's "input" (None in files of older versions). `before` and `after`
    were measured on `held_out` images, none of which is among `images`, the content digests of those it learned from, out of
    `images_source`. `steps` are those that led to the weights kept, layer-wise and end to end, where a rising loss ended a phase early.
    """

    variation: Variation
    weights: WeightsKind
    source: str
    sha256: str | None
    labels: tuple[str, ...]
    preprocess: dict[str, Any] | None = None
    original_top1: float | None
    before: Likeness
    after: Likeness
    held_out: int
    images: tuple[str, ...]
    images_source: str
    seed: int
    steps: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The largest magnitude that an operation of a module gives."""

    module: str
    operation: str
    peak: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationAudit:
    """What fp16 cannot hold, with the margin: `overflowing` results of the reference, one per module, and `islands` of the lowered
    program, each of which is computed in float32. `largest` is the reference's.
    """

    images: int
    limit: float
    margin: float
    largest: Peak
    overflowing: tuple[Peak, ...]
    islands: tuple[Peak, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The modules that stay float, in the order in which they were chosen, and what that costs.

    `latency_ratio` is the modelled latency over that of the plan that protects nothing.
    """

    modules: tuple[str, ...] = ()
    latency_ratio: float = 1.0

    @property
    def protected(self) -> frozenset[str]:
        return frozenset(self.modules)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactRecord:
    """One written artefact with everything known about it. `validations` are one per judge; `sizes` are those of a package with several,
    the usual one first; `convert_s` is the time to write it, in seconds.
    """

    artefact: Artefact
    delegation: Delegation | None
    npu: tuple[Delegation, ...] = ()
    validations: tuple[Validation, ...]
    sizes: tuple[SizeValidation, ...] = ()
    speed: Speed | None = None
    convert_s: float
