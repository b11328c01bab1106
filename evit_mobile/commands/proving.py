"""What convert, validate and compile share: a written file held against every stage before it, as a judge runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converters.contract import Judge
from converters.errors import ArtefactError, NoRuntimeError, ToolchainError
from evit_mobile.findings import SizeValidation, Validation, Verdict, failed, not_run
from evit_mobile.images.data import Images
from evit_mobile.labels import known_labels
from evit_mobile.metrics import Logits
from evit_mobile.prepare.preparation import run_module
from evit_mobile.prepare.sizes import images_at
from evit_mobile.record.manifest import ArtefactEntry
from evit_mobile.reference import Reference, Size, at_size
from evit_mobile.validation.max_drop import run_artefact
from evit_mobile.validation.probabilities import gives_probabilities
from evit_mobile.validation.sample import sample
from evit_mobile.validation.settings import with_settings
from evit_mobile.validation.sizes import overall, size_validation
from evit_mobile.validation.verdict import Terms
from evit_mobile.validation.verdict import judge as verdict_on

MORE = 4
"""How many times its usual images a slow judge runs where those decide nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a file is held against at one size: held-out images, and the outputs for them of every stage before it, the reference first."""

    reference: Reference
    held_out: Images
    stages: Sequence[tuple[str, Logits]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file to judge, and the name of the format that it is of."""

    path: Path
    format: str


def standard_at(reference: Reference, held_out: Images, size: Size) -> Standard:
    """What the files' outputs for images of `size` are held against."""
    resized, images = at_size(reference, size), images_at(held_out, size)
    expected = run_module(resized.module, images.batches())
    return Standard(reference=resized, held_out=images, stages=[("reference", expected)])


def listed_terms(entry: ArtefactEntry, reference: Reference, *, allow_few: bool) -> Terms:
    """On what terms a listed artefact is judged."""
    return Terms(
        precision=entry.precision,
        task=reference.spec.task,
        recovery=reference.recovery,
        allow_few=allow_few,
        probabilities=gives_probabilities(output.name for output in entry.outputs),
    )


def proved(
    judge: Judge, written: Written, standards: Sequence[Standard], terms: Terms
) -> tuple[Validation, tuple[SizeValidation, ...]]:
    """What a judge finds of a file in all, and at each size where it has several."""
    sizes = tuple(
        size_validation(standard.reference.spec.size, prove(judge, written, standard, terms)) for standard in standards
    )
    return overall(sizes), sizes if len(sizes) > 1 else ()


def prove(judge: Judge, written: Written, standard: Standard, terms: Terms) -> Validation:
    """Runs the file on the held-out images and holds it against every stage before it. One that is unreadable, or that its runtime
    fails on, has failed; an absent runtime does not run it.
    """
    missing = judge.missing()
    if missing is not None:
        return not_run(judge.runtime, missing)
    try:
        validation, held_out = judged(judge, written, standard, terms)
        return with_settings(validation, judge, written.path, held_out)
    except NoRuntimeError as error:
        return not_run(judge.runtime, str(error))
    except (ArtefactError, ToolchainError) as error:
        return failed(judge.runtime, str(error))


def judged(
    judge: Judge, written: Written, standard: Standard, terms: Terms, times: int = 1
) -> tuple[Validation, Images]:
    """The verdict, and the images that it is of. Where counting them is all that a slow judge's few are failed by, it runs MORE times as
    many: one of 32 is 3 points of top-1.
    """
    held_out, stages, terms = sample(judge, standard.held_out, standard.stages, terms, times)
    stages.append((written.format, run_artefact(judge, written.path, held_out)))
    labels = known_labels(standard.reference, held_out)
    validation = verdict_on(stages, labels, judge.runtime, terms)
    if times == 1 and validation.verdict is Verdict.FAILED and len(held_out) < len(standard.held_out):
        uncounted = verdict_on(stages, labels, judge.runtime, replace(terms, counted=False))
        if uncounted.verdict is Verdict.PASSED:
            return judged(judge, written, standard, terms, MORE)
    return validation, held_out
