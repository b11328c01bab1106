"""Which judges an artefact has, and what follows for it from what each of them says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from converters.contract import Judge, Target
from converters.registry import find_judge, judges_of
from evit_mobile.findings import Validation, Verdict


def judges_for(target: Target, asked: Sequence[str] = ()) -> dict[str, Judge]:
    """By name, those of `asked` that judge the target's files; where none does the usual one, which is the target itself.

    A format that nothing judges here has one without a name, whose `load` says why.
    """
    names = judges_of(target.name)
    chosen = {name: find_judge(name, target.name) for name in names if name in asked}
    if chosen:
        return chosen
    ready = (name for name in names if find_judge(name, target.name).missing() is None)
    return {next(ready, ""): target}


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
