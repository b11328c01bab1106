"""Image input and probabilities in LiteRT files: equal to the tensor path, labels where libraries look for them."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.contract import Layout, Precision, TensorSpec
from converters.errors import ArtefactError
from converters.interface import TENSORS, Interface
from converters.tflite.flatbuffer import serialize
from converters.tflite.inspect import inspect_file
from converters.tflite.lower import to_graph
from converters.tflite.runtime import load_runner, open_interpreter
from converters.tflite.structure import signed
from tests.converters.tflite.tflite_helpers import written
from tests.interface_models import (
    BOTH,
    IMAGES,
    METADATA,
    classifier,
    mapper,
    photos,
    program_of,
    softmax,
    tensors,
)

MODELS = {"classifier": classifier, "map": mapper}
FLOATS = [Precision.FP32, Precision.FP16]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", [*FLOATS, Precision.INT8])
def test_an_image_gives_what_its_tensor_gives(name: str, precision: Precision, tmp_path: Path) -> None:
    model = MODELS[name]()
    expected, actual = (load_runner(written(tmp_path, one, precision, model))(tensors()) for one in (TENSORS, IMAGES))
    if precision.quantized:
        np.testing.assert_array_equal(actual, expected)
    assert abs(actual - expected).max() < 1e-5 * abs(expected).max()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", [*FLOATS, Precision.INT8])
def test_probabilities_are_the_softmax_of_the_scores(name: str, precision: Precision, tmp_path: Path) -> None:
    model = MODELS[name]()
    scores, actual = (load_runner(written(tmp_path, one, precision, model))(tensors()) for one in (IMAGES, BOTH))
    np.testing.assert_allclose(actual, softmax(scores), atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_integers_only_from_pixels_to_probabilities(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    scores, images = (
        load_runner(written(tmp_path, one, Precision.INT8_FULL, model))(tensors()) for one in (TENSORS, IMAGES)
    )
    both = written(tmp_path, BOTH, Precision.INT8_FULL, model)
    specs = inspect_file(both)
    assert (specs.inputs[0].dtype, specs.outputs[0].dtype) == ("uint8", "uint8")
    assert {"float32", "float16"}.isdisjoint(specs.dtypes)
    step = inspect_file(written(tmp_path, IMAGES, Precision.INT8_FULL, model)).outputs[0].scale
    assert step is not None
    assert abs(images - scores).max() <= 2 * step  # a pixel's code may be one away
    np.testing.assert_allclose(load_runner(both)(tensors()), softmax(images), atol=1.5 / 256)


@pytest.mark.parametrize("precision", [*FLOATS, Precision.INT8])
def test_it_all_runs_in_one_partition(precision: Precision, tmp_path: Path) -> None:
    delegation = inspect_file(written(tmp_path, BOTH, precision)).delegation
    assert delegation is not None
    assert (delegation.partitions, delegation.fallback) == (1, ())


def test_what_the_file_says_of_its_ends(tmp_path: Path) -> None:
    inspection = inspect_file(written(tmp_path, BOTH))
    scale = float(np.float32(1 / 255))
    assert inspection.inputs == (
        TensorSpec(name="image", shape=(1, 16, 24, 3), dtype="uint8", layout=Layout.NHWC, scale=scale, zero_point=0),
    )
    assert inspection.outputs == (TensorSpec(name="probabilities", shape=(1, 4), dtype="float32"),)
    assert inspect_file(written(tmp_path, IMAGES)).outputs[0].name == "logits"


def test_a_library_that_feeds_pixels_as_they_are_gets_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, BOTH)
    interpreter = open_interpreter(path, path.read_bytes())
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], photos(1))
    interpreter.invoke()
    actual = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(actual, load_runner(path)(tensors(1)))


def test_without_an_interface_a_file_is_as_it_was(tmp_path: Path) -> None:
    content = written(tmp_path, TENSORS).read_bytes()
    assert not zipfile.is_zipfile(io.BytesIO(content))
    assert b"TFLITE_METADATA" not in content


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path, BOTH).read_bytes() == written(tmp_path, BOTH).read_bytes()


def test_changed_labels_are_damage(tmp_path: Path) -> None:
    path = written(tmp_path, BOTH)
    path.write_bytes(path.read_bytes().replace(b"boot\n", b"Boot\n"))
    with pytest.raises(ArtefactError, match="digest"):
        load_runner(path)


def test_a_wrong_normalisation_inside_is_seen(tmp_path: Path) -> None:
    assert IMAGES.pixels is not None
    wrong = Interface(pixels=replace(IMAGES.pixels, std=(0.229, 0.5, 0.11)))
    graph = to_graph(program_of(classifier()), Precision.FP32, wrong)
    said = replace(METADATA, extra=IMAGES.pixels.to_metadata())
    path = tmp_path / "wrong.tflite"
    path.write_bytes(signed(serialize(graph, said)))
    expected = load_runner(written(tmp_path, TENSORS))(tensors())
    assert abs(load_runner(path)(tensors()) - expected).max() > 1e-3 * abs(expected).max()


def test_pixels_of_unknown_mean_and_std_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(signed(serialize(to_graph(program_of(classifier()), Precision.FP32, IMAGES), METADATA)))
    with pytest.raises(ArtefactError, match="unknown mean and std"):
        load_runner(path)


def test_images_that_no_pixels_give_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="8-bit"):
        load_runner(written(tmp_path, IMAGES))(tensors() + np.float32(0.01))
