"""inspect(): what a written artefact contains. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from converters.contract import Inspection, Target
from converters.registry import artefact_target, find_installed_target
from converters.traits import compiled_for_npu


def inspect(path: Path | str) -> Inspection:
    """What a written artefact contains, how its delegate takes it, and how NPUs take it where it is mostly int8.

    Raises ArtefactError, ToolchainError.
    """
    path = Path(path)
    target = installed_target(path)
    inspection = target.inspect(path)
    if inspection.dtypes.get("int8", 0) <= sum(inspection.dtypes.values()) / 2:
        return inspection
    return replace(inspection, npu=compiled_for_npu(target, path))


def installed_target(path: Path) -> Target:
    """The target that wrote an artefact. Raises ArtefactError for another file, ToolchainError when not installed."""
    return find_installed_target(artefact_target(path))
