"""Where a manifest leads back to: files, weights and images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.errors import ArtefactError
from evit_mobile.commands import recorded
from evit_mobile.commands.recorded import (
    calibration_source,
    given_path,
    judging_images,
    labelled_images,
    listed_artefacts,
    manifest_reference,
)
from evit_mobile.labels import Classes
from evit_mobile.record.files import write_manifest
from evit_mobile.record.manifest import Manifest
from evit_mobile.reference import Reference
from evit_mobile.spec import Variation
from tests.manifests import MANIFEST, artefact, input_of, of_model


def test_a_path_may_be_text_and_may_be_missing() -> None:
    assert (given_path("a"), given_path(Path("a")), given_path(None)) == (Path("a"), Path("a"), None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file and a package that are listed, and a file that is not."""
    for name in ("a.tflite", "other.tflite"):
        (tmp_path / name).touch()
    (tmp_path / "b.mlpackage").mkdir()
    write_manifest(of_model(artefact("a.tflite"), artefact("b.mlpackage", format="coreml")), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "entries"),
    [("", ["a.tflite", "b.mlpackage"]), ("a.tflite", ["a.tflite"]), ("b.mlpackage", ["b.mlpackage"])],
)
def test_a_path_is_of_a_folder_or_of_what_it_lists(name: str, entries: list[str], folder: Path) -> None:
    place, manifest, found = listed_artefacts(folder / name)
    assert place == folder
    assert [entry.path for entry in found] == entries
    assert len(manifest.artefacts) == 2


def test_what_is_listed_nowhere_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"other\.tflite, which .*does not list; allowed: a\.tflite, b\.mlpackage"):
        listed_artefacts(folder / "other.tflite")
    with pytest.raises(ArtefactError, match=r"none\.tflite, which does not exist"):
        listed_artefacts(folder / "none.tflite")
    write_manifest(of_model(), folder)
    with pytest.raises(ArtefactError, match="nothing: the manifest is empty"):
        listed_artefacts(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ArtefactError, match=r"empty without a manifest\.json"):
        listed_artefacts(empty)


@pytest.mark.parametrize(("source", "path"), [("bundled:fashion", None), ("photos", Path("photos"))])
def test_calibration_images_are_the_bundled_ones_or_somewhere(source: str, path: Path | None) -> None:
    assert calibration_source(of_images(source)) == path


def of_images(source: str, seed: int = 0) -> Manifest:
    return replace(MANIFEST, calibration=replace(MANIFEST.calibration, source=source, seed=seed))


def pictures(path: Path, first: int, count: int, labels: bool = True) -> Path:
    """`count` images, no two of which are alike, the n-th of class n % 10."""
    pixels = np.random.default_rng(first).integers(0, 255, (count, 36, 36, 3), np.uint8)
    known = {"labels": np.arange(count) % 10} if labels else {}
    np.savez(path, images=pixels, **known)
    return path


def test_accuracy_is_measured_on_all_images_or_on_those_that_did_not_calibrate(tmp_path: Path) -> None:
    source = pictures(tmp_path / "a.npz", 0, 40)
    manifest, classes = of_images(str(source)), Classes(logits=10)
    whole, _ = labelled_images(manifest, source, None, classes)
    assert len(whole) == 40
    assert len(labelled_images(manifest, source, 7, classes)[0]) == 7
    rest, _ = labelled_images(manifest, None, None, classes)
    assert 0 < len(rest) < 40
    assert set(rest.selection.indices) < set(whole.selection.indices)
    assert len(labelled_images(manifest, None, 3, classes)[0]) == 3
    assert len(labelled_images(of_images("bundled:x"), None, 9, classes)[0]) == 9


def test_what_judges_did_not_calibrate_wherever_it_lies(m0: Reference, tmp_path: Path) -> None:
    """A copy of the calibration images, and twenty others: only the others judge."""
    source = pictures(tmp_path / "a.npz", 0, 40)
    manifest = replace(of_images(str(source)), input=input_of(m0.preprocessing.preprocess))
    reference, own = judging_images(m0, manifest, None)
    assert 0 < len(own) < 40
    calibrated = set(range(40)) - set(own.selection.indices)
    pixels = np.concatenate(
        [np.load(source)["images"][sorted(calibrated)], np.load(pictures(tmp_path / "b.npz", 1, 20))["images"]]
    )
    np.savez(tmp_path / "both.npz", images=pixels)
    _, judging = judging_images(reference, manifest, tmp_path / "both.npz")
    assert sorted(judging.selection.indices) == list(range(len(calibrated), len(calibrated) + 20))


@pytest.mark.parametrize(("variation", "beside"), [(None, False), (Variation.RELU_ATTENTION, True)])
def test_weights_of_a_variation_are_those_beside_it(
    variation: Variation | None, beside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m0.safetensors").touch()
    monkeypatch.setattr(recorded, "reload_reference", lambda *asked: asked)
    manifest = of_model(source="/gone/m0.safetensors", variation=variation)
    model, size, weights, module = manifest_reference(tmp_path, manifest, "w.pth")  # type: ignore[misc]  # what it was asked
    assert model.source == (str(tmp_path / "m0.safetensors") if beside else "/gone/m0.safetensors")
    assert (size, weights, module) == ((32, 32), "w.pth", None)
