"""Segmentation models and the feature extractor end to end: all formats, judged per pixel or by their features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.contract import Layout, Precision
from converters.registry import find_target
from evit_mobile.commands import validate as reading
from evit_mobile.commands.convert import convert
from evit_mobile.commands.evaluate import evaluate
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.images.data import CALIBRATION_IMAGES, Images, calibration_images, preprocess_for
from evit_mobile.labels import task_matches
from evit_mobile.metrics import compare, top1_agreement
from evit_mobile.models import build_model
from evit_mobile.models.bundled import bundled_checkpoint
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import ArtefactEntry
from evit_mobile.reference import load_reference
from evit_mobile.spec import ModelSpec, Task, find_spec
from evit_mobile.validation.verdict import Terms, judge
from tests.few_images import few_images

SEGMENTER, FEATURES = "efficientvit_seg_b0_cityscapes", "efficientvit_l0"
SIZE = (64, 64)
STEPS = 40
FORMATS = ["coreml", "tflite", "executorch"]
RNG = np.random.default_rng(0)
MAP = RNG.normal(size=(8, 5, 8, 12)).astype(np.float32)


# ---- verdicts ----


def test_agreement_counts_pixels() -> None:
    changed = MAP.copy()
    changed[0, :, :2] = -changed[0, :, :2]  # 24 of 768 pixels now have their smallest logit on top
    assert compare(changed, MAP, top1_agreement).top1_agreement == pytest.approx(1 - 24 / 768)


def test_pixels_that_disagree_fail() -> None:
    changed = MAP.copy()
    changed[1] = MAP[1, ::-1]
    result = judge(
        [("reference", MAP), ("artefact", changed)],
        None,
        "test",
        Terms(precision=Precision.INT8, task=Task.SEGMENTATION),
    )
    assert result.verdict is Verdict.FAILED
    assert "agreement" in result.reason


def test_features_are_not_classes() -> None:
    stages = [("reference", MAP), ("artefact", MAP * np.float32(1.001))]
    result = judge(stages, None, "test", Terms(precision=Precision.FP16, task=Task.FEATURES))
    assert result.verdict is Verdict.PASSED
    assert result.top1_agreement is None
    stages[-1] = ("artefact", np.full_like(MAP, np.nan))
    assert judge(stages, None, "test", Terms(precision=Precision.FP16, task=Task.FEATURES)).verdict is Verdict.FAILED


def test_labels_of_images_are_no_labels_of_pixels() -> None:
    reference = load_reference(SEGMENTER, weights="random", size=(32, 32))
    assert not task_matches(reference, images_for(reference.spec))


def test_large_images_come_in_small_batches() -> None:
    spec = find_spec(SEGMENTER)
    assert next(images_for(spec).batches(64)).shape == (1, 3, 1024, 2048)
    assert images_for(find_spec("efficientvit_b0")).first(4).shape == (4, 3, 224, 224)


def images_for(spec: ModelSpec) -> Images:
    return calibration_images(None, preprocess_for(spec, bundled=True), 0, CALIBRATION_IMAGES[spec.task])


@pytest.mark.parametrize(
    ("options", "named"),
    [({"max_drop": 1.0}, "--max-drop"), ({"class_output": True}, "--class-output")],
)
def test_what_only_classifiers_have_is_refused(options: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{named} for {SEGMENTER}, whose task is segmentation"):
        convert(SEGMENTER, weights="random", size=(32, 32), out=tmp_path, **options)


# ---- artefacts ----


@pytest.mark.slow
def test_segmentation_in_fp32_at_a_rectangular_size(tmp_path: Path) -> None:
    conversion = convert(SEGMENTER, weights="random", precision="fp32", size=(64, 96), out=tmp_path)
    assert conversion.proven
    assert conversion.manifest.model.task == "segmentation"
    layouts = {entry.format: (entry.outputs[0].shape, entry.outputs[0].layout) for entry in listed(tmp_path)}
    channels_first = ((1, 19, 8, 12), Layout.NCHW)
    assert layouts == {
        "coreml": channels_first,
        "tflite": ((1, 8, 12, 19), Layout.NHWC),
        "executorch": channels_first,
    }
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    expected = load_reference(SEGMENTER, weights="random", size=(64, 96)).module(image).detach().numpy()
    for entry in listed(tmp_path):
        assert entry.validation.images == 16
        actual = find_target(entry.format).load(tmp_path / entry.path)(image.numpy())
        assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
    assert [result.validation.verdict for result in reading.validate(tmp_path).artefacts] == ["passed"] * 3
    with pytest.raises(UsageError, match="task is segmentation"):
        evaluate(tmp_path / listed(tmp_path)[1].path)


def listed(folder: Path) -> tuple[ArtefactEntry, ...]:
    return read_manifest(folder).artefacts


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_segmentation_in_fewer_bits(precision: str, tmp_path: Path) -> None:
    conversion = convert(
        trained_segmenter(), precision=precision, size=SIZE, calib=few_images(tmp_path), out=tmp_path / "out"
    )
    verdicts = {entry.format: entry.validation.reason for entry in listed(tmp_path / "out")}
    assert verdicts == dict.fromkeys(FORMATS, "all thresholds met")
    assert conversion.proven


@pytest.mark.slow
def test_features(tmp_path: Path) -> None:
    """At 96 pixels the map is 3 cells wide: as many as an image has colours."""
    options = {"weights": "random", "formats": ["tflite"], "calib": few_images(tmp_path)}
    conversion = convert(FEATURES, precision="fp32", size=(96, 96), out=tmp_path / "out", **options)
    assert conversion.proven
    (entry,) = listed(tmp_path / "out")
    assert entry.validation.top1_agreement is None
    assert (entry.outputs[0].shape, entry.outputs[0].layout) == ((1, 3, 3, 512), Layout.NHWC)
    with pytest.raises(UsageError, match="task is features"):
        evaluate(tmp_path / "out" / entry.path)


def trained_segmenter() -> nn.Module:
    """Tells clothes from background, with the margins of trained models: the bundled backbone, and a head after a few steps."""
    torch.manual_seed(0)
    spec = find_spec(SEGMENTER, size=SIZE, num_classes=2)
    model = build_model(spec)
    trained = load_checkpoint(bundled_checkpoint("efficientvit_b0"), size=SIZE).module.state_dict()
    model.load_state_dict({k: v for k, v in trained.items() if not k.startswith("head.")}, strict=False)
    images = torch.from_numpy(images_for(spec).first(32))
    cells = F.avg_pool2d(images.mean(1), 8)
    bright = (cells > cells.amin((1, 2), keepdim=True) + 0.5).long()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(images), bright).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
    return model.eval()
