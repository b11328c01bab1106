"""Image input equals the tensor path to the bit, class output follows from the scores, and bad options are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.contract import Precision, TensorSpec
from converters.coreml import package, runtime, toolchain
from converters.coreml.evaluator import Evaluator
from converters.coreml.inspect import inspect
from converters.coreml.lower import lower
from converters.coreml.options import OptionError, Options
from converters.errors import ArtefactError
from converters.interface import Function, Normalization
from tests.converters.coreml.coreml_programs import METADATA, export, seeded
from tests.converters.coreml.test_runtime import FakeModel

NORMALIZATION = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
LABELS = ("boot", "bag", "shirt", "coat")
LABELLED = replace(METADATA, labels=LABELS)
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16))
ALL_OPTIONS = Options(pixels=NORMALIZATION, classes=True)


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(torch.relu(self.conv(x)).mean((2, 3)))
        return out


def normalized(pixels: np.ndarray) -> np.ndarray:
    mean, std = (np.array(values)[:, None, None] for values in (NORMALIZATION.mean, NORMALIZATION.std))
    return ((pixels / 255 - mean) / std).astype(np.float32)


def written(path: Path, options: Options, precision: Precision = Precision.FP16) -> Path:
    lower([Function(program=export(seeded(Classifier), torch.zeros(1, 3, 16, 16)))], precision, path, LABELLED, options)
    return path


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.FP32])
def test_image_input_gives_what_the_tensor_path_gives(precision: Precision, tmp_path: Path) -> None:
    tensor = runtime.load(written(tmp_path / "tensor.mlpackage", Options(), precision))(normalized(PIXELS))
    image = runtime.load(written(tmp_path / "image.mlpackage", Options(pixels=NORMALIZATION), precision))
    tolerance = 0 if precision is Precision.FP16 else 1e-5
    np.testing.assert_allclose(image(normalized(PIXELS)), tensor, rtol=0, atol=tolerance)


def test_the_interface_is_what_swift_expects(tmp_path: Path) -> None:
    description = package.read(written(tmp_path / "p.mlpackage", ALL_OPTIONS)).specification.description
    (image,) = description.input
    assert (image.type.imageType.width, image.type.imageType.height) == (16, 16)
    assert image.type.imageType.ColorSpace.Name(image.type.imageType.colorSpace) == "RGB"
    assert description.predictedFeatureName == "classLabel"
    assert description.predictedProbabilitiesName == "classLabel_probs"
    assert {feature.name for feature in description.output} == {"classLabel", "classLabel_probs", "logits"}
    assert all(feature.shortDescription for feature in (*description.input, *description.output))
    assert json.loads(description.metadata.userDefined["mean"]) == list(NORMALIZATION.mean)


def test_inspect_tells_an_image_from_a_tensor(tmp_path: Path) -> None:
    (image,) = inspect(written(tmp_path / "p.mlpackage", ALL_OPTIONS)).inputs
    assert (image.shape, image.dtype) == ((1, 3, 16, 16), "image")
    assert (
        TensorSpec(name="logits", shape=(1, 4), dtype="float32")
        in inspect(written(tmp_path / "q.mlpackage", ALL_OPTIONS)).outputs
    )


def test_the_class_is_that_of_the_highest_score(tmp_path: Path) -> None:
    evaluator = Evaluator(written(tmp_path / "p.mlpackage", Options(classes=True)))
    outputs = evaluator.run(torch.from_numpy(normalized(PIXELS[:1])))
    scores = outputs["logits"][0]
    assert outputs["classLabel"] == LABELS[int(scores.argmax())]
    assert list(outputs["classLabel_probs"]) == list(LABELS)
    np.testing.assert_allclose(list(outputs["classLabel_probs"].values()), scores.softmax(0), atol=1e-6)


def test_probabilities_that_contradict_the_scores_are_caught(tmp_path: Path) -> None:
    path = written(tmp_path / "p.mlpackage", Options(classes=True))
    specification = package.read(path).specification
    function = specification.mlProgram.functions["main"]
    (block,) = function.block_specializations.values()
    (softmax,) = (operation for operation in block.operations if operation.type == "softmax")
    softmax.type = "sigmoid"
    del softmax.inputs["axis"]
    (path / "Data" / package.MODEL).write_bytes(specification.SerializeToString())
    with pytest.raises(ArtefactError, match="softmax"):
        runtime.load(path)(normalized(PIXELS))


def test_images_that_are_not_of_8_bits_are_refused(tmp_path: Path) -> None:
    run = runtime.load(written(tmp_path / "p.mlpackage", Options(pixels=NORMALIZATION)))
    with pytest.raises(ArtefactError, match="8-bit"):
        run(normalized(PIXELS + 0.3))
    with pytest.raises(ArtefactError, match="8-bit"):
        run(normalized(PIXELS + 200))


def test_an_image_input_without_its_normalization_is_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "p.mlpackage", Options(pixels=NORMALIZATION))
    specification = package.read(path).specification
    del specification.description.metadata.userDefined["std"]
    (path / "Data" / package.MODEL).write_bytes(specification.SerializeToString())
    with pytest.raises(ArtefactError, match="mean and std"):
        runtime.load(path)


@pytest.mark.parametrize("labels", [(), LABELS[:3], ("bag",) * 4])
def test_a_classifier_needs_one_label_a_class(labels: tuple[str, ...], tmp_path: Path) -> None:
    program = export(seeded(Classifier), torch.zeros(1, 3, 16, 16))
    with pytest.raises(OptionError, match="4 classes"):
        lower(
            [Function(program=program)],
            Precision.FP16,
            tmp_path / "p.mlpackage",
            replace(METADATA, labels=labels),
            Options(classes=True),
        )


@pytest.mark.parametrize("release", [15, 19])
def test_releases_outside_the_table_are_refused(release: int, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="iOS 16, 17, 18"):
        written(tmp_path / "p.mlpackage", Options(release=release))


class TakesImages(FakeModel):
    """coremltools' MLModel as documented: takes Pillow images where the specification says so."""

    def predict(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"logits": np.asarray(one["image"])[None], "classLabel": "boot"} for one in batch]


def test_on_a_mac_core_ml_gets_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "p.mlpackage", ALL_OPTIONS)
    monkeypatch.setattr(runtime, "ON_MAC", True)
    monkeypatch.setattr(toolchain.load().models, "MLModel", TakesImages)
    np.testing.assert_array_equal(runtime.load(path)(normalized(PIXELS)), PIXELS.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("precision", "release", "found"),
    [
        (Precision.FP16, None, 16),
        (Precision.INT8, None, 18),
        (Precision.INT8, 17, 17),
        (Precision.INT8_PALETTE4, None, 18),
        (Precision.INT8_WEIGHTS, 18, 18),
    ],
)
def test_the_release_that_a_package_is_written_for(precision: Precision, release: int | None, found: int) -> None:
    assert Options(release=release).release_for(precision) == found


def test_a_release_that_is_older_than_the_precision_is_refused_in_words() -> None:
    with pytest.raises(OptionError, match=r"int8 for iOS 16; allowed: iOS 17, 18 for int8") as refused:
        Options(release=16).release_for(Precision.INT8)
    assert refused.value.exit_code == 2
