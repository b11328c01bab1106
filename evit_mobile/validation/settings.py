"""Verdicts on files that also run under other settings of their runtime than those they were judged with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from converters.traits import Accelerator, SettingsRunner
from evit_mobile.findings import Validation, Verdict
from evit_mobile.images.data import Images

IMAGES = 2
"""Enough to see memory that is not there any more, or another arithmetic."""


def with_settings(validation: Validation, judge: object, path: Path, images: Images) -> Validation:
    """`validation` of the file at `path`, `failed` if it does not give the same under the other settings that phones may have, where the
    judge has such.
    """
    if not isinstance(judge, SettingsRunner):
        return validation
    count = judge.images if isinstance(judge, Accelerator) else IMAGES
    found = judge.run_with_settings(path, images.first(count))
    if found is None:
        return validation
    named = replace(validation, runtime=f"{validation.runtime} ({found.words})")
    if found.fault is None:
        return named
    faults = [found.fault] if validation.verdict is Verdict.PASSED else [validation.reason, found.fault]
    return replace(named, verdict=Verdict.FAILED, reason="; ".join(faults))
