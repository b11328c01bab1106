"""What a manifest says of a model, its images and its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.contract import Artefact, Precision
from evit_mobile.commands import document
from evit_mobile.commands.document import (
    artefact_entry,
    asked_model,
    calibration_entry,
    compose,
    cost_entry,
    described,
    input_entry,
    model_entry,
    recovery_entry,
)
from evit_mobile.findings import ArtefactRecord, Likeness, Protection, Recovery
from evit_mobile.images.data import everything
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.reference import Reference, with_task
from evit_mobile.request import ConvertRequest
from evit_mobile.spec import Task, Variation
from evit_mobile.version import __version__
from tests.manifests import ARTEFACT, PASSED


def test_a_model_is_told_by_its_weights_and_its_cost(m0: Reference) -> None:
    entry = model_entry(m0)
    assert (entry.name, entry.family, entry.task, entry.num_classes) == (
        "efficientvit_m0",
        "msra",
        "classification",
        10,
    )
    assert (entry.weights, entry.weights_sha256, entry.source) == ("bundled", m0.sha256, m0.source)
    assert (entry.params, entry.macs) == (count_parameters(m0.spec), count_macs(m0.spec))
    assert (entry.color, entry.architecture, entry.around, entry.variation) == ("RGB", None, None, None)
    assert model_entry(replace(m0, bgr=True)).color == "BGR"


def test_what_is_not_just_a_variant_is_counted_in_it(m0: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"params": 1, "macs": 2}
    monkeypatch.setattr(document, "measured_cost", lambda module, image: counted if image == (3, 64, 64) else module)
    assert cost_entry(with_task(m0, Task.MULTILABEL)) == counted
    assert cost_entry(m0) == {"params": count_parameters(m0.spec), "macs": count_macs(m0.spec)}


def test_the_input_is_of_the_reference(m0: Reference) -> None:
    entry = input_entry(m0)
    assert entry.shape == (1, 3, 64, 64)
    assert entry.preprocess == m0.preprocessing.preprocess
    assert described(m0).input == entry


def test_a_variation_is_the_models_before_it_is_recovered(m0: Reference) -> None:
    asked = asked_model(ConvertRequest.of("efficientvit_m0", variation="relu-attention"), m0)
    assert asked.model == replace(model_entry(m0), variation=Variation.RELU_ATTENTION)
    assert asked_model(ConvertRequest.of("efficientvit_m0"), m0) == described(m0)


def recovery() -> Recovery:
    return Recovery(
        variation=Variation.RELU_ATTENTION,
        weights="hub",
        source="hub",
        sha256="0" * 64,
        labels=("a", "b"),
        original_top1=93.0,
        before=Likeness(agreement=0.5, top1=51.0),
        after=Likeness(agreement=0.97, top1=92.5),
        held_out=256,
        images=("digest 1", "digest 2", "digest 3"),
        images_source="photos",
        seed=7,
        steps=(100, 200),
    )


def test_of_a_recovery_the_images_are_counted() -> None:
    entry = recovery_entry(recovery())
    assert entry is not None
    assert (entry.images, entry.images_source, entry.held_out) == (3, "photos", 256)
    assert (entry.original.weights, entry.original.top1, entry.seed, entry.steps) == ("hub", 93.0, 7, (100, 200))
    assert (entry.before.agreement, entry.after.top1) == (0.5, 92.5)
    assert recovery_entry(None) is None


def test_a_file_is_listed_by_where_it_lies_in_its_folder(tmp_path: Path) -> None:
    artefact = Artefact(
        format="tflite",
        precision=Precision.INT8,
        path=tmp_path / "out" / "deep" / "a.tflite",
        bytes=4,
        sha256="1" * 64,
        toolchain={"litert": "2"},
        inputs=ARTEFACT.inputs,
        outputs=ARTEFACT.outputs,
    )
    record = ArtefactRecord(artefact=artefact, delegation=None, validations=(PASSED,), convert_s=1.23456)
    protection = Protection(modules=("head",), latency_ratio=1.1)
    entry = artefact_entry(record, tmp_path / "out", "plans/int8.json", protection)
    assert (entry.path, entry.bytes, entry.sha256, entry.convert_s) == ("deep/a.tflite", 4, "1" * 64, 1.23)
    assert (entry.plan, entry.protection, entry.validations) == ("plans/int8.json", protection, (PASSED,))


@pytest.mark.parametrize(("precision", "images"), [("int8", 5), ("int8-weights", 0), ("fp16", 0)])
def test_images_are_counted_where_they_calibrated(precision: str, images: int, m0: Reference) -> None:
    chosen = everything(None, m0.preprocessing.preprocess, 5)
    request = ConvertRequest.of(precision=precision, seed=9)
    entry = calibration_entry(request, m0, chosen, chosen, np.zeros((5, 10), np.float32))
    assert (entry.images, entry.seed, entry.source) == (images, 9, chosen.dataset.source)
    assert entry.digest == chosen.digest


def test_the_whole_says_who_wrote_it_and_what_it_was_asked_for(m0: Reference, tmp_path: Path) -> None:
    request = ConvertRequest.of("efficientvit_m0", out=tmp_path, seed=3)
    chosen = everything(None, m0.preprocessing.preprocess, 5)
    images = calibration_entry(request, m0, chosen, chosen, np.zeros((5, 10), np.float32))
    manifest = compose(request, m0, images, None, [ARTEFACT])
    assert manifest.tool.version == __version__
    assert ConvertRequest.from_json(manifest.request) == request
    assert (manifest.labels, manifest.labels_stated_by) == (m0.labels, "the bundled weights")
    assert (manifest.artefacts, manifest.golden, manifest.recovery) == ((ARTEFACT,), None, None)
