"""profile: measures artefacts somewhere, and adds what was found to profile.jsonl."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evit_mobile.errors import UsageError
from evit_mobile.pipeline import Report, silent
from evit_mobile.profiling import host
from evit_mobile.profiling.protocol import Settings, measure
from evit_mobile.profiling.records import PROFILE_NAME, append, ratios, record, subject, unavailable

PLACES = "host"


def profile(
    artefacts: Sequence[Path], *, place: str, settings: Settings, out: Path | None = None, report: Report = silent
) -> dict[str, Any]:
    """Measures the artefacts side by side and appends a record of each to `out`, or to profile.jsonl beside it.

    Returns {"profiles": [record], "ratios": [...]}. Raises ArtefactError, UsageError, DeviceError.
    """
    kind, _, _name = place.partition(":")
    subjects = [subject(path) for path in artefacts]
    if kind != "host":
        raise UsageError(got=f"--on {place}", allowed=PLACES, do="name one of these")
    with host.open_workers(subjects, settings) as workers:
        measurements = measure(workers, settings, report)
    run, records = uuid.uuid4().hex, []
    for item, measurement in zip(subjects, measurements, strict=True):
        report(f"timing the operators of {item.path.name}")
        operators = host.operators(item, settings)
        energy = unavailable("not measured yet")
        records.append(
            record(item, measurement, run=run, place=place, settings=settings, operators=operators, energy=energy)
        )
    for item, entry in zip(subjects, records, strict=True):
        append(out or item.path.parent / PROFILE_NAME, [entry])
    return {"profiles": records, "ratios": ratios(records)}
