"""What earlier runs left in an output folder: a manifest is of one model for one input, and no file may be in none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evit_mobile.errors import UsageError
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import FILE_NAME, InputEntry, Manifest, ModelEntry, Subject


def with_earlier(manifest: Manifest, folder: Path) -> Manifest:
    """`manifest` with the artefacts of the folder's present one that it does not replace, if it is the same model; and with what that
    says of calibration and audit, where this run did without.
    """
    earlier = earlier_manifest(folder)
    if earlier is None or not same(earlier, manifest):
        return manifest
    written = {entry.path for entry in manifest.artefacts}
    kept = tuple(entry for entry in earlier.artefacts if entry.path not in written)
    return replace(
        manifest,
        artefacts=kept + manifest.artefacts,
        calibration=manifest.calibration if manifest.calibration.images else earlier.calibration,
        activation_audit=manifest.activation_audit or earlier.activation_audit,
    )


def earlier_manifest(folder: Path) -> Manifest | None:
    return read_manifest(folder) if (folder / FILE_NAME).exists() else None


def same(earlier: Manifest, described: Manifest | Subject) -> bool:
    """Whether two manifests are of the same weights for the same input."""
    return (weights_of(earlier.model), _input_of(earlier)) == (weights_of(described.model), _input_of(described))


def weights_of(model: ModelEntry) -> tuple[object, ...]:
    """What tells one model from another, wherever its weights lie and whatever is said of them."""
    weights = model.weights_sha256 or model.source  # random weights are in no file
    return model.name, model.variation, model.num_classes, weights


def check_weights(folder: Path, described: Subject) -> None:
    """Raises UsageError where `folder` has files of another model than is `described`; a variation is the same where the original is."""
    earlier = earlier_manifest(folder)
    if earlier is None or _original_of(earlier) == _original_of(described):
        return
    files = _files(earlier, folder)
    if files:
        raise _occupied(folder, files, f"another model, {earlier.model.name} from {earlier.model.source}")


def check_input(folder: Path, described: Subject, written: Collection[str]) -> None:
    """Raises UsageError where `folder` has files of other weights or for another input than is `described` that are not among those
    about to be `written`.
    """
    earlier = earlier_manifest(folder)
    if earlier is None or same(earlier, described):
        return
    left = [name for name in _files(earlier, folder) if name not in written]
    if left:
        height, width = earlier.input.size
        raise _occupied(
            folder, left, f"the same model, made for another input ({height}x{width}) or recovered otherwise"
        )


RECOVERED_BY = ("variation", "recovery_steps", "seed", "calib")
"""Fields of a request that a recovery follows, beside the model and its input."""


def check_recovery(folder: Path, described: Subject, request: Mapping[str, Any], written: Collection[str]) -> None:
    """Raises UsageError where `folder` has files that are not about to be `written` and are of another recovery than the `request`, with
    the original `described`, asks for: each gives weights of its own.
    """
    earlier = earlier_manifest(folder)
    if earlier is None:
        return
    before = earlier.request or {}
    alike = all(before.get(name) == request[name] for name in RECOVERED_BY)
    left = [name for name in _files(earlier, folder) if name not in written]
    if left and not (alike and _input_of(earlier) == _input_of(described)):
        raise _occupied(folder, left, "the same model, recovered otherwise")


def _input_of(described: Manifest | Subject) -> InputEntry:
    """The "input", whoever stated it."""
    return replace(described.input, stated_by={}, notes=())


def _original_of(described: Manifest | Subject) -> tuple[object, ...]:
    """`weights_of`, but of a variation those that it was recovered from."""
    name, variation, classes, weights = weights_of(described.model)
    original = None if described.recovery is None else described.recovery.original
    return name, variation, classes, weights if original is None else original.sha256 or original.source


def _files(earlier: Manifest, folder: Path) -> list[str]:
    return [entry.path for entry in earlier.artefacts if (folder / entry.path).exists()]


def _occupied(folder: Path, files: list[str], of: str) -> UsageError:
    return UsageError(
        got=f"{folder}, where {', '.join(files)} {'is' if len(files) == 1 else 'are'} of {of}",
        allowed="one model for one input in a folder",
        do="pass another --out DIR, or remove the files",
    )
