"""profile: measures artefacts somewhere, and adds what was found to profile.jsonl."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evit_mobile.profiling.measured import Asked
from evit_mobile.profiling.places import find_place
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.records import ratios, record, subject
from evit_mobile.profiling.stored import PROFILE_NAME, append
from evit_mobile.progress import Report, silent


def profile(
    artefacts: Sequence[Path | str],
    *,
    place: str = "host",
    settings: Settings | None = None,
    python: str = "python3",
    runner: Path | None = None,
    out: Path | None = None,
    force_energy: bool = False,
    report: Report = silent,
) -> dict[str, Any]:
    """Measures the artefacts side by side and appends a record of each to `out`, or to profile.jsonl beside it.

    `place` is one of FORMS, `settings` say how long and how exactly. `python` is the interpreter to use on a machine behind ssh,
    `runner` the program to use on an Android device. `force_energy` takes the battery's current even while it charges.
    Returns {"profiles": [record], "ratios": [...]}.
    Raises ArtefactError, UsageError, DeviceError.
    """
    asked = Asked(settings=settings or Settings(), python=python, runner=runner, force_energy=force_energy)
    subjects = [subject(Path(path)) for path in artefacts]
    measure, argument = find_place(place)
    run = uuid.uuid4().hex
    records = [
        record(
            item,
            found.measurement,
            run=run,
            place=place,
            settings=asked.settings,
            operators=found.operators,
            energy=found.energy,
        )
        for item, found in zip(subjects, measure(argument, subjects, asked, report), strict=True)
    ]
    for item, entry in zip(subjects, records, strict=True):
        append(out or item.path.parent / PROFILE_NAME, [entry])
    return {"profiles": records, "ratios": ratios(records)}
