"""Refuses to judge files with a runtime that is older than they are right on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from evit_mobile.errors import UsageError

if TYPE_CHECKING:
    from evit_mobile.record.manifest import ArtefactEntry

ALTERNATIVES = " / "
"""Between the runtimes of one format, each with its oldest version."""


def require_runtimes(entries: Sequence[ArtefactEntry]) -> None:
    """Raises UsageError for artefacts, by their manifest entries, whose runtime is installed here in too old a version."""
    for entry in entries:
        for runtime in (entry.oldest_runtime or "").split(ALTERNATIVES):
            name, _, oldest = runtime.partition(" ")
            installed = installed_version(name)
            if installed is not None and numbers(installed) < numbers(oldest):
                raise UsageError(
                    got=f"{name} {installed} for {entry.path}",
                    allowed=f"{name} {oldest} or newer: the file is not right on older ones",
                    do=f"pip install '{name}>={oldest}'",
                )


def installed_version(name: str) -> str | None:
    """The version of an installed package; None for what is not installed here or is no package, like iOS."""
    try:
        return version(name) if name else None
    except PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """Major, minor and patch number: those of a pre-release or a local build are the release's."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
