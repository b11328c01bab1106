"""What earlier runs left in an output folder: a manifest is of one model for one input, and no file may be in none."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from evit_mobile.errors import UsageError
from evit_mobile.manifest import FILE_NAME, read_manifest


def with_earlier(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`document` with the entries of the folder's present manifest that it does not replace, if it is the same model."""
    earlier = earlier_manifest(folder)
    if earlier is None or not same(earlier, document):
        return document
    written = {entry["path"] for entry in document["artefacts"]}
    kept = [entry for entry in earlier["artefacts"] if entry["path"] not in written]
    merged = {**document, "artefacts": kept + document["artefacts"]}
    if document["quant_plan"] is None:
        merged |= {key: earlier[key] for key in ("quant_plan", "protection", "calibration") if key in earlier}
    if "activation_audit" in earlier:
        merged["activation_audit"] = earlier["activation_audit"]
    return merged


def earlier_manifest(folder: Path) -> dict[str, Any] | None:
    return read_manifest(folder) if (folder / FILE_NAME).exists() else None


def same(earlier: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether two manifests are of the same weights for the same input."""
    return (weights_of(earlier), _input_of(earlier)) == (weights_of(document), _input_of(document))


def weights_of(manifest: dict[str, Any]) -> tuple[object, ...]:
    """What tells one model from another, wherever its weights lie and whatever is said of them."""
    model = manifest["model"]
    weights = model["weights_sha256"] or model["source"]  # random weights are in no file
    return model["name"], model.get("variation"), model["num_classes"], weights


def check_weights(folder: Path, described: dict[str, Any]) -> None:
    """Raises UsageError where `folder` has files of another model than is `described` as in a manifest; a variation is the same where
    the original is.
    """
    earlier = earlier_manifest(folder)
    if earlier is None or _original_of(earlier) == _original_of(described):
        return
    files = _files(earlier, folder)
    if files:
        raise _occupied(folder, files, f"another model, {earlier['model']['name']} from {earlier['model']['source']}")


def check_input(folder: Path, described: dict[str, Any], written: Collection[str]) -> None:
    """Raises UsageError where `folder` has files of other weights or for another input than is `described` that are not among those
    about to be `written`.
    """
    earlier = earlier_manifest(folder)
    if earlier is None or same(earlier, described):
        return
    left = [name for name in _files(earlier, folder) if name not in written]
    if left:
        height, width = earlier["input"]["shape"][2:]
        raise _occupied(
            folder, left, f"the same model, made for another input ({height}x{width}) or recovered otherwise"
        )


RECOVERED_BY = ("variation", "recovery_steps", "seed", "calib")
"""Fields of a request that a recovery follows, beside the model and its input."""


def check_recovery(folder: Path, described: dict[str, Any], request: dict[str, Any], written: Collection[str]) -> None:
    """Raises UsageError where `folder` has files that are not about to be `written` and are of another recovery than the `request`, with
    the original `described`, asks for: each gives weights of its own.
    """
    earlier = earlier_manifest(folder)
    if earlier is None:
        return
    before = earlier.get("request") or {}
    alike = all(before.get(name) == request[name] for name in RECOVERED_BY)
    left = [name for name in _files(earlier, folder) if name not in written]
    if left and not (alike and _input_of(earlier) == _input_of(described)):
        raise _occupied(folder, left, "the same model, recovered otherwise")


def _input_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest's "input", whoever stated it."""
    return {key: value for key, value in manifest["input"].items() if key not in ("stated_by", "notes")}


def _original_of(manifest: dict[str, Any]) -> tuple[object, ...]:
    """`weights_of`, but of a variation those that it was recovered from."""
    name, variation, classes, weights = weights_of(manifest)
    original = (manifest.get("recovery") or {}).get("original")
    return name, variation, classes, weights if original is None else original["sha256"] or original["source"]


def _files(earlier: dict[str, Any], folder: Path) -> list[str]:
    return [entry["path"] for entry in earlier["artefacts"] if (folder / entry["path"]).exists()]


def _occupied(folder: Path, files: list[str], of: str) -> UsageError:
    return UsageError(
        got=f"{folder}, where {', '.join(files)} {'is' if len(files) == 1 else 'are'} of {of}",
        allowed="one model for one input in a folder",
        do="pass another --out DIR, or remove the files",
    )
