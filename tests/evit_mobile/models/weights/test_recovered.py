"""A recovered checkpoint loads as what it was written as, only as that, and brings its record along."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.findings import Likeness, Recovery
from evit_mobile.images.data import calibration_images, held_out_images, preprocess_for
from evit_mobile.models import build_model
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.models.weights.recovered import METADATA_KEY, recovered_bytes
from evit_mobile.recovery.procedure import varied_spec
from evit_mobile.reference import load_reference, randomise
from evit_mobile.spec import ModelSpec, Variation, find_spec

SIZE = (32, 64)


def record(variation: Variation) -> Recovery:
    return Recovery(
        variation=variation,
        weights="bundled",
        source="bundled:x",
        sha256="ab",
        labels=("one", "two"),
        original_top1=93.0,
        before=Likeness(agreement=0.5, top1=50.0),
        after=Likeness(agreement=0.99, top1=92.5),
        held_out=256,
        images=("cd", "ef"),
        images_source="bundled:y",
        seed=3,
        steps=(10, 20),
    )


def varied(name: str, variation: Variation) -> tuple[ModelSpec, nn.Module]:
    spec = replace(find_spec(name, size=SIZE, num_classes=2), variation=variation)
    if isinstance(spec.architecture, MitArchitecture):
        spec = replace(spec, architecture=replace(spec.architecture, attention_eps=1e-15, head_norm_eps=1e-3))
    torch.manual_seed(0)
    module = build_model(spec)
    randomise(module, SIZE)
    return spec, module.requires_grad_(False)


@pytest.fixture(params=[("efficientvit_m0", Variation.RELU_ATTENTION), ("efficientvit_b0", Variation.RELU_ACTIVATION)])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, ModelSpec, nn.Module]:
    name, variation = request.param
    spec, module = varied(name, variation)
    path = tmp_path / f"{spec.title}.safetensors"
    path.write_bytes(recovered_bytes(spec, module, record(variation)))
    return path, spec, module


def test_it_loads_as_it_was_written(written: tuple[Path, ModelSpec, nn.Module]) -> None:
    path, spec, module = written
    reference = load_reference(None, weights=path)
    assert (reference.spec, reference.weights, reference.lineage) == (spec, "file", "bundled")
    assert spec.variation is not None
    assert reference.recovery == record(spec.variation)
    assert reference.labels == ("one", "two")
    assert reference.learned == ("cd", "ef")
    image = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(reference.module(image), module(image))


def test_nothing_else_can_be_asked_of_it(written: tuple[Path, ModelSpec, nn.Module]) -> None:
    path, spec, _ = written
    load_checkpoint(path, model=spec.name, size=SIZE, num_classes=2)
    with pytest.raises(CheckpointError, match="recovered as"):
        load_checkpoint(path, model="efficientvit_m4")
    with pytest.raises(CheckpointError, match="recovered as"):
        load_checkpoint(path, size=(224, 224))
    with pytest.raises(CheckpointError, match="recovered as"):
        load_checkpoint(path, num_classes=5)


@pytest.mark.parametrize("damage", ["{", "[]", '{"model": "efficientvit_m0"}', "wrong family"])
def test_a_damaged_record_is_an_error(damage: str, written: tuple[Path, ModelSpec, nn.Module]) -> None:
    path, spec, module = written
    if damage == "wrong family":
        assert spec.variation is not None
        with safetensors.safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()[METADATA_KEY])
        content["recovery"]["variation"] = "relu-activation" if spec.family == "msra" else "relu-attention"
        damage = json.dumps(content)
    safetensors.torch.save_file(module.state_dict(), path, metadata={METADATA_KEY: damage})
    with pytest.raises(CheckpointError, match="record"):
        load_checkpoint(path)


def test_the_weights_of_the_original_are_not_those_of_the_variation(tmp_path: Path) -> None:
    spec, _ = varied("efficientvit_m0", Variation.RELU_ATTENTION)
    original = build_model(replace(spec, variation=None))
    path = tmp_path / "weights.safetensors"
    path.write_bytes(recovered_bytes(spec, original, record(Variation.RELU_ATTENTION)))
    with pytest.raises(CheckpointError, match="missing"):
        load_checkpoint(path)


def test_weights_that_are_a_variation_are_not_varied_again(written: tuple[Path, ModelSpec, nn.Module]) -> None:
    path, spec, _ = written
    assert spec.variation is not None
    with pytest.raises(UsageError, match="were recovered as"):
        varied_spec(load_reference(None, weights=path), spec.variation)


def test_images_that_were_learned_from_never_judge() -> None:
    preprocess = preprocess_for(find_spec("efficientvit_m0", size=SIZE), bundled=True)
    calibration = calibration_images(None, preprocess, 0, 8)
    free = held_out_images(None, calibration, preprocess, 0, 20).selection
    learned = free.contents[:10]
    held_out = held_out_images(None, calibration, preprocess, 0, 20, learned=learned).selection
    assert len(held_out) == 20
    assert not set(held_out.contents) & set(learned)
    assert set(held_out.contents) & set(free.contents[10:])
