"""An output folder is of one model: another is refused before any work, and no file is left in no manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import evit_mobile
from evit_mobile.commands import convert as pipeline
from evit_mobile.document import described
from evit_mobile.earlier import check_input, check_recovery, check_weights, same
from evit_mobile.errors import UsageError
from evit_mobile.reference import load_reference, weights_digest

SIZE = (64, 64)


def manifest(weights: str = "bundled", *, side: int = 64, seed: int = 0) -> dict[str, Any]:
    """What a manifest says of m0 at a size."""
    reference = load_reference("efficientvit_m0", weights=weights, size=(side, side), seed=seed)
    document = described(reference)
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]  # an object


def occupy(folder: Path, *names: str, **changed: Any) -> dict[str, Any]:
    """Writes a manifest of m0 with files of these names."""
    rest = {"schema": 1, "labels": [], "quant_plan": None, "calibration": {}, "tool": {}}
    for name in names:
        (folder / name).touch()
    document = {**rest, **manifest(), "artefacts": [{"path": name} for name in names]}
    document["model"] |= changed
    (folder / "manifest.json").write_text(json.dumps(document))
    return document


@pytest.mark.parametrize("changed", [{"weights_sha256": "0" * 64}, {"name": "efficientvit_b0"}, {"num_classes": 5}])
def test_another_model_is_refused_before_any_work(
    changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    occupy(tmp_path, "efficientvit_m0.fp32.tflite", **changed)
    monkeypatch.setattr(pipeline, "choose_images", None)
    with pytest.raises(UsageError, match=r"efficientvit_m0\.fp32\.tflite is of another model.*--out DIR, or remove"):
        evit_mobile.convert(formats=["tflite"], precision="fp32", size=SIZE, out=tmp_path)


def test_the_same_weights_elsewhere_are_the_same_model(tmp_path: Path) -> None:
    earlier = occupy(tmp_path, "a.tflite", source="moved.pth", keys=1, notes=["told otherwise"])
    check_weights(tmp_path, manifest())
    check_input(tmp_path, manifest(), written=[])
    assert same(earlier, manifest())


def test_files_that_are_gone_are_in_nobodys_way(tmp_path: Path) -> None:
    occupy(tmp_path, "a.tflite", weights_sha256="0" * 64)
    (tmp_path / "a.tflite").unlink()
    check_weights(tmp_path, manifest())
    check_input(tmp_path, manifest(), written=[])


def test_another_input_size_may_only_replace_every_file(tmp_path: Path) -> None:
    occupy(tmp_path, "a.tflite", "b.pte")
    larger = manifest(side=96)
    check_weights(tmp_path, larger)
    check_input(tmp_path, larger, written=["a.tflite", "b.pte", "c.tflite"])
    with pytest.raises(UsageError, match=r"b\.pte is of the same model, made for another input \(64x64\)"):
        check_input(tmp_path, larger, written=["a.tflite"])


def test_a_variation_is_the_same_where_its_original_is(tmp_path: Path) -> None:
    original = manifest()["model"]["weights_sha256"]
    earlier = occupy(tmp_path, "a.tflite", variation="relu-attention", weights_sha256="1" * 64)
    earlier["recovery"] = {"original": {"sha256": original, "source": "bundled"}}
    (tmp_path / "manifest.json").write_text(json.dumps(earlier))
    asked = manifest()
    asked["model"]["variation"] = "relu-attention"
    check_weights(tmp_path, asked)
    asked["model"]["weights_sha256"] = "2" * 64
    with pytest.raises(UsageError, match="another model"):
        check_weights(tmp_path, asked)


ASKED = {"variation": "relu-attention", "recovery_steps": 3, "seed": 0, "calib": None}


@pytest.mark.parametrize("changed", [{"seed": 1}, {"recovery_steps": None}, {"calib": "photos"}])
def test_a_recovery_of_its_own_may_only_replace_every_file(changed: dict[str, Any], tmp_path: Path) -> None:
    earlier = {**occupy(tmp_path, "a.tflite", variation="relu-attention"), "request": ASKED}
    (tmp_path / "manifest.json").write_text(json.dumps(earlier))
    check_recovery(tmp_path, manifest(), ASKED, written=["b.pte"])
    check_recovery(tmp_path, manifest(), {**ASKED, **changed}, written=["a.tflite"])
    with pytest.raises(UsageError, match=r"a\.tflite is of the same model, recovered otherwise"):
        check_recovery(tmp_path, manifest(), {**ASKED, **changed}, written=["b.pte"])


def test_another_recovery_is_refused_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = manifest()["model"]["weights_sha256"]
    recovered = {**manifest(), "recovery": {"original": {"sha256": original, "source": "bundled"}}}
    earlier = {**occupy(tmp_path, "efficientvit_m0.relu-attention.fp16.tflite"), **recovered, "request": ASKED}
    earlier["model"] |= {"variation": "relu-attention", "weights_sha256": "0" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps(earlier))
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
    first, second = manifest("random"), manifest("random", seed=1)
    for document in (first, second):
        assert document["model"]["weights_sha256"] is None
    assert same(first, manifest("random"))
    assert not same(first, second)


def test_live_modules_are_told_by_their_tensors() -> None:
    module = nn.Linear(3, 2)
    before = weights_digest(module)
    assert weights_digest(module) == before
    nn.init.zeros_(module.bias)
    assert weights_digest(module) != before
