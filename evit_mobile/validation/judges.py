"""Which judges an artefact has."""

from __future__ import annotations

from collections.abc import Sequence

from converters.contract import Judge, Target
from converters.registry import find_judge, judges_of


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
