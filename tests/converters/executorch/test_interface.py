"""Image input and probabilities in ExecuTorch files: equal to the tensor path, in one delegate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Layout, Precision, TensorSpec
from converters.errors import ArtefactError
from converters.executorch.target import ExecuTorchTarget
from converters.interface import TENSORS, Interface
from tests.interface_models import (
    BOTH,
    IMAGES,
    LABELS,
    METADATA,
    classifier,
    mapper,
    photos,
    program_of,
    softmax,
    tensors,
)
from tests.lazily import Lazily

containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")
lowering = Lazily("converters.executorch.lower")
runtimes = Lazily("converters.executorch.runtime")

MODELS = {"classifier": classifier, "map": mapper}
PRECISIONS = [Precision.FP32, Precision.FP16, Precision.INT8]


def content(interface: Interface, precision: Precision = Precision.FP32, model: nn.Module | None = None) -> bytes:
    return lowering.to_bytes(
        program_of(model or classifier(), int8=precision.quantized), precision, METADATA, interface
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_image_gives_what_its_tensor_gives(name: str, precision: Precision) -> None:
    model = MODELS[name]()
    expected, actual = (runtimes.make_runner(content(one, precision, model))(tensors()) for one in (TENSORS, IMAGES))
    if precision is not Precision.FP32:
        np.testing.assert_array_equal(actual, expected)
    assert abs(actual - expected).max() < 1e-5 * abs(expected).max()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_probabilities_are_the_softmax_of_the_scores(name: str, precision: Precision) -> None:
    model = MODELS[name]()
    scores, actual = (runtimes.make_runner(content(one, precision, model))(tensors()) for one in (IMAGES, BOTH))
    np.testing.assert_allclose(actual, softmax(scores), atol=1e-3 if precision is Precision.FP16 else 1e-6)


def test_an_app_gives_the_pixels_as_they_are() -> None:
    file = content(BOTH)
    program = runtimes.load_program(file)
    (actual,) = runtimes.load_method(program, "forward").execute([torch.from_numpy(photos(1))])
    np.testing.assert_array_equal(actual.numpy(), runtimes.make_runner(file)(tensors(1)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_the_file_says_of_its_ends(precision: Precision, tmp_path: Path) -> None:
    program = program_of(classifier(), int8=precision.quantized)
    target, path = ExecuTorchTarget(BOTH), tmp_path / "both.pte"
    artefact = target.lower(program, precision, path, METADATA)
    assert artefact.inputs == (TensorSpec(name="input_0", shape=(1, 16, 24, 3), dtype="uint8", layout=Layout.NHWC),)
    assert artefact.outputs == (TensorSpec(name="probabilities", shape=(1, 4), dtype="float32"),)
    inspection = ExecuTorchTarget().inspect(path)
    assert (inspection.inputs, inspection.outputs) == (artefact.inputs, artefact.outputs)
    assert inspection.delegation is not None
    assert (inspection.delegation.partitions, inspection.delegation.fallback) == (1, ())


@pytest.mark.parametrize(
    "precision",
    [Precision.INT8, *(pytest.param(one, marks=pytest.mark.slow) for one in (Precision.FP32, Precision.FP16))],
)
def test_pixels_do_not_depend_on_the_weight_cache(precision: Precision, tmp_path: Path) -> None:
    path = tmp_path / "both.pte"
    path.write_bytes(content(BOTH, precision))
    outcome = runtimes.run_with_weight_cache(path, tensors())
    assert outcome.fault is None
    assert "weight cache on" in outcome.words


def test_the_metadata_names_the_classes_and_the_normalisation() -> None:
    container = containers.open_container(content(BOTH))
    assert tuple(container.description["labels"]) == LABELS
    assert container.normalization == BOTH.pixels
    assert containers.open_container(content(TENSORS)).normalization is None


def test_pixels_of_unknown_mean_and_std_are_refused() -> None:
    graph = lowering.to_graph(program_of(classifier()), Precision.FP32, IMAGES)
    with pytest.raises(ArtefactError, match="mean and std"):
        runtimes.make_runner(containers.write_container(graph, delegates.write_blob(graph), METADATA))


def test_a_wrong_normalisation_inside_is_seen() -> None:
    assert IMAGES.pixels is not None
    wrong = Interface(pixels=replace(IMAGES.pixels, mean=(0.485, 0.31, 0.406)))
    graph = lowering.to_graph(program_of(classifier()), Precision.FP32, wrong)
    file = containers.write_container(
        graph, delegates.write_blob(graph), replace(METADATA, extra=IMAGES.pixels.to_metadata())
    )
    expected = runtimes.make_runner(content(TENSORS))(tensors())
    assert abs(runtimes.make_runner(file)(tensors()) - expected).max() > 1e-3 * abs(expected).max()


def test_images_that_no_pixels_give_are_refused() -> None:
    with pytest.raises(ArtefactError, match="8-bit"):
        runtimes.make_runner(content(IMAGES))(tensors() + np.float32(0.01))


def test_the_same_model_gives_the_same_bytes() -> None:
    assert content(BOTH) == content(BOTH)
    assert (
        json.loads(json.dumps(containers.open_container(content(BOTH)).description))
        == containers.open_container(content(BOTH)).description
    )
