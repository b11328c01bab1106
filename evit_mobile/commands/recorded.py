"""Where a manifest leads back to: its artefacts, the reference they were held against, and images to judge them with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from converters.errors import ArtefactError
from converters.registry import target_of
from evit_mobile.commands.reload import reload_reference
from evit_mobile.images.data import CALIBRATION_IMAGES, Images, calibration_images, everything, held_out_images
from evit_mobile.labels import Classes, open_images, open_labelled
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import FILE_NAME, ArtefactEntry, Manifest
from evit_mobile.reference import Reference
from evit_mobile.thresholds import MIN_IMAGES


def given_path(path: Path | str | None) -> Path | None:
    """A path, from Python in text too; None where none was given."""
    return None if path is None else Path(path)


def listed_artefacts(path: Path) -> tuple[Path, Manifest, list[ArtefactEntry]]:
    """Folder, manifest and entries of an artefact or of all artefacts of a folder. Raises ArtefactError."""
    folder = path if (path / FILE_NAME).exists() or (path.is_dir() and target_of(path) is None) else path.parent
    if not path.exists():
        raise ArtefactError(
            got=f"{path}, which does not exist", allowed="an artefact or its folder", do="correct the path"
        )
    manifest = read_manifest(folder)
    entries = [entry for entry in manifest.artefacts if path == folder or folder / entry.path == path]
    if not entries:
        raise ArtefactError(
            got=f"{path}, which {folder / FILE_NAME} does not list",
            allowed=", ".join(entry.path for entry in manifest.artefacts) or "nothing: the manifest is empty",
            do="name one of these",
        )
    return folder, manifest, entries


def manifest_reference(
    folder: Path, manifest: Manifest, weights: str | None, module: nn.Module | None = None
) -> Reference:
    """The fp32 reference that the manifest of `folder` describes; a variation's weights are looked for in the folder first, where
    their recovery wrote them. Raises UsageError, CheckpointError.
    """
    model = manifest.model
    beside = folder / Path(model.source).name
    if model.variation is not None and beside.exists():
        model = replace(model, source=str(beside))
    return reload_reference(model, manifest.input.size, weights, module)


def judging_images(reference: Reference, manifest: Manifest, images: Path | None) -> tuple[Reference, Images]:
    """Images to judge with: of `images`, or of what the manifest names; never those that calibrated or were learned from, by their
    contents. And the reference, with what they say of its classes. Raises DataError.
    """
    preprocess = manifest.input.preprocess
    reference, source = open_images(reference, calibration_source(manifest))
    seed, task = manifest.calibration.seed, reference.spec.task
    calibration = calibration_images(source, preprocess, seed, CALIBRATION_IMAGES[task])
    if images is not None:
        reference, source = open_images(reference, images)
    return reference, held_out_images(source, calibration, preprocess, seed, MIN_IMAGES[task], reference.learned)


def labelled_images(
    manifest: Manifest, images: Path | None, limit: int | None, classes: Classes
) -> tuple[Images, Classes]:
    """Images to measure accuracy on: all of `images`, or all that the manifest names and that did not calibrate; and the model's
    classes as far as they are known then.
    """
    preprocess = manifest.input.preprocess
    named = calibration_source(manifest) if images is None else images
    if named is None:
        return everything(None, preprocess, limit), classes
    source, classes = open_labelled(named, classes)
    if images is not None:
        return everything(source, preprocess, limit), classes
    seed = manifest.calibration.seed
    calibration = calibration_images(source, preprocess, seed)
    count = len(source) if limit is None else limit
    return held_out_images(source, calibration, preprocess, seed, count), classes


def calibration_source(manifest: Manifest) -> Path | None:
    """Path of the calibration images, or None for the bundled ones."""
    source = manifest.calibration.source
    return None if source.startswith("bundled:") else Path(source)
