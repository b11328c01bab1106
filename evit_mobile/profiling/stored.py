"""profile.jsonl: one line per measured artefact, appended, so that runs can be compared over time. Schema: docs/profile.md."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError
from evit_mobile.strict_json import to_json

SCHEMA = 1
PROFILE_NAME = "profile.jsonl"
NO_DIFFERENCE = "no difference seen"
"""The verdict of a comparison whose interval holds 1."""


def unavailable(reason: str) -> dict[str, Any]:
    """What stands where nothing could be measured."""
    return {"unavailable": reason}


def append(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Adds lines to `path`, each in one write, so that two profiles at once do not mix. OSError passes through."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for item in records:
            os.write(descriptor, (json.dumps(json.loads(to_json(item)), separators=(",", ":")) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[dict[str, Any]]:
    """The records of `path`, oldest first. Raises ArtefactError for a missing or damaged file, or another schema."""
    try:
        records = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ArtefactError(
            got=f"{path}, which cannot be read ({getattr(error, 'strerror', None) or error})",
            allowed="a file that `evit-mobile profile` wrote",
            do="profile the artefact first",
        ) from None
    wrong = {str(item.get("schema") if isinstance(item, dict) else None) for item in records} - {str(SCHEMA)}
    if wrong:
        raise ArtefactError(
            got=f"{path} with schema {', '.join(sorted(wrong))}", allowed=f"schema {SCHEMA}", do="profile again"
        )
    return records
