"""Verdicts on a file for several input sizes: one per size, and what follows for the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from converters.interface import function_name
from evit_mobile.findings import SizeValidation, Validation, Verdict


def size_validation(size: tuple[int, int], validation: Validation) -> SizeValidation:
    return SizeValidation(size=size, function=function_name(*size), validation=validation)


def overall(sizes: Sequence[SizeValidation]) -> Validation:
    """The first size's validation, with the worst verdict of all sizes."""
    first, *others = sizes
    faults = [
        f"{one.function}: {one.validation.reason}" for one in others if one.validation.verdict is not Verdict.PASSED
    ]
    if not faults:
        return first.validation
    own = [] if first.validation.verdict is Verdict.PASSED else [first.validation.reason]
    worst = Verdict.FAILED if any(one.validation.verdict is Verdict.FAILED for one in sizes) else Verdict.NOT_RUN
    return replace(first.validation, verdict=worst, reason="; ".join([*own, *faults]))
