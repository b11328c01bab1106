"""An output folder is of one model: another is refused before any work, and no file is left in no manifest."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import evit_mobile
from evit_mobile.commands import convert as pipeline
from evit_mobile.commands.document import described
from evit_mobile.errors import UsageError
from evit_mobile.findings import Likeness
from evit_mobile.record.earlier import check_input, check_recovery, check_weights, same
from evit_mobile.record.files import write_manifest
from evit_mobile.record.manifest import Manifest, OriginalEntry, RecoveryEntry, Subject
from evit_mobile.reference import load_reference
from evit_mobile.spec import Variation
from tests.manifests import MANIFEST, artefact

SIZE = (64, 64)


@cache
def subject(weights: str = "bundled", *, side: int = 64, seed: int = 0) -> Subject:
    """What a manifest says of m0 at a size."""
    return described(load_reference("efficientvit_m0", weights=weights, size=(side, side), seed=seed))


def occupy(
    folder: Path,
    *names: str,
    recovery: RecoveryEntry | None = None,
    request: dict[str, Any] | None = None,
    **changed: Any,
) -> Manifest:
    """Writes a manifest of m0 with files of these names, its model `changed`."""
    for name in names:
        (folder / name).touch()
    said = subject()
    model = replace(said.model, **changed)
    entries = tuple(artefact(name) for name in names)
    manifest = replace(MANIFEST, model=model, input=said.input, recovery=recovery, request=request, artefacts=entries)
    write_manifest(manifest, folder)
    return manifest


def recovered_from(sha256: str | None) -> RecoveryEntry:
    """A recovery of the original that has this digest."""
    original = OriginalEntry(weights="bundled", source="bundled", sha256=sha256, top1=None)
    alike = Likeness(agreement=1.0, top1=None)
    return RecoveryEntry(
        original=original, before=alike, after=alike, held_out=1, images=1, images_source="photos", seed=0, steps=(1, 2)
    )


@pytest.mark.parametrize("changed", [{"weights_sha256": "0" * 64}, {"name": "efficientvit_b0"}, {"num_classes": 5}])
def test_another_model_is_refused_before_any_work(
    changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    occupy(tmp_path, "efficientvit_m0.fp32.tflite", **changed)
    monkeypatch.setattr(pipeline, "choose_images", None)
    with pytest.raises(UsageError, match=r"efficientvit_m0\.fp32\.tflite is of another model.*--out DIR, or remove"):
        evit_mobile.convert(formats=["tflite"], precision="fp32", size=SIZE, out=tmp_path)


def test_the_same_weights_elsewhere_are_the_same_model(tmp_path: Path) -> None:
    earlier = occupy(tmp_path, "a.tflite", source="moved.pth", keys=1, notes=("told otherwise",))
    check_weights(tmp_path, subject())
    check_input(tmp_path, subject(), written=[])
    assert same(earlier, subject())


def test_files_that_are_gone_are_in_nobodys_way(tmp_path: Path) -> None:
    occupy(tmp_path, "a.tflite", weights_sha256="0" * 64)
    (tmp_path / "a.tflite").unlink()
    check_weights(tmp_path, subject())
    check_input(tmp_path, subject(), written=[])


def test_another_input_size_may_only_replace_every_file(tmp_path: Path) -> None:
    occupy(tmp_path, "a.tflite", "b.pte")
    larger = subject(side=96)
    check_weights(tmp_path, larger)
    check_input(tmp_path, larger, written=["a.tflite", "b.pte", "c.tflite"])
    with pytest.raises(UsageError, match=r"b\.pte is of the same model, made for another input \(64x64\)"):
        check_input(tmp_path, larger, written=["a.tflite"])


def test_a_variation_is_the_same_where_its_original_is(tmp_path: Path) -> None:
    original, variation = subject(), Variation.RELU_ATTENTION
    recovery = recovered_from(original.model.weights_sha256)
    occupy(tmp_path, "a.tflite", recovery=recovery, variation=variation, weights_sha256="1" * 64)
    check_weights(tmp_path, replace(original, model=replace(original.model, variation=variation)))
    other = replace(original.model, variation=variation, weights_sha256="2" * 64)
    with pytest.raises(UsageError, match="another model"):
        check_weights(tmp_path, replace(original, model=other))


ASKED = {"variation": "relu-attention", "recovery_steps": 3, "seed": 0, "calib": None}


@pytest.mark.parametrize("changed", [{"seed": 1}, {"recovery_steps": None}, {"calib": "photos"}])
def test_a_recovery_of_its_own_may_only_replace_every_file(changed: dict[str, Any], tmp_path: Path) -> None:
    occupy(tmp_path, "a.tflite", request=ASKED, variation=Variation.RELU_ATTENTION)
    check_recovery(tmp_path, subject(), ASKED, written=["b.pte"])
    check_recovery(tmp_path, subject(), {**ASKED, **changed}, written=["a.tflite"])
    with pytest.raises(UsageError, match=r"a\.tflite is of the same model, recovered otherwise"):
        check_recovery(tmp_path, subject(), {**ASKED, **changed}, written=["b.pte"])


def test_another_recovery_is_refused_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recovery = recovered_from(subject().model.weights_sha256)
    changed: dict[str, Any] = {"variation": Variation.RELU_ATTENTION, "weights_sha256": "0" * 64}
    occupy(tmp_path, "efficientvit_m0.relu-attention.fp16.tflite", recovery=recovery, request=ASKED, **changed)
    monkeypatch.setattr(pipeline, "recover", lambda *_, **__: pytest.fail("recovered"))
    with pytest.raises(UsageError, match="recovered otherwise"):
        evit_mobile.convert(
            formats=["tflite"],
            precision="fp32",
            size=SIZE,
            variation="relu-attention",
            recovery_steps=3,
            seed=1,
            out=tmp_path,
        )


def test_random_weights_are_told_by_their_seed() -> None:
    first, second = subject("random"), subject("random", seed=1)
    for said in (first, second):
        assert said.model.weights_sha256 is None
    earlier = replace(MANIFEST, model=first.model, input=first.input)
    assert same(earlier, subject("random"))
    assert not same(earlier, second)
