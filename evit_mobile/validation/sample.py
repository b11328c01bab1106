"""What a judge runs, and by which terms: a slow one fewer images, in floats and with sums of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from converters.traits import Accelerator, HalfAdder
from evit_mobile.images.data import Images
from evit_mobile.metrics import Logits
from evit_mobile.validation.verdict import Terms

Stages = Sequence[tuple[str, Logits]]


def sample(
    judge: object, images: Images, stages: Stages, terms: Terms, times: int = 1
) -> tuple[Images, list[tuple[str, Logits]], Terms]:
    """The images that `judge` runs, a slow one `times` as many as usual, what every stage before gave for them, and the terms of its
    verdict.
    """
    if isinstance(judge, HalfAdder):
        terms = replace(terms, half_sums=judge.half_sums)
    if not isinstance(judge, Accelerator):
        return images, list(stages), terms
    count = judge.images * times
    return (
        images.limited(count),
        [(name, logits[:count]) for name, logits in stages],
        replace(terms, floats=judge.floats),
    )
