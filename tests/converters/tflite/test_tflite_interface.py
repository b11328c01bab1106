"""Image input and probabilities in LiteRT files: equal to the tensor path, labels where libraries look for them."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from converters.contract import Layout, Precision, TensorSpec
from converters.errors import ArtefactError
from converters.integer_io import with_integer_io
from converters.interface import TENSORS, Interface
from converters.tflite.app_metadata import stored_labels, with_labels
from converters.tflite.flatbuffer import serialize
from converters.tflite.inspect import inspect_file
from converters.tflite.lower import to_bytes, to_graph
from converters.tflite.runtime import load_runner, open_interpreter
from converters.tflite.structure import read_model, signed
from tests.interface_models import (
    BOTH,
    CLASSES,
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

MODELS = {"classifier": classifier, "map": mapper}
FLOATS = [Precision.FP32, Precision.FP16]


def written(
    folder: Path, interface: Interface, precision: Precision = Precision.FP32, model: nn.Module | None = None
) -> Path:
    """The file at `folder`; int8-full takes and gives integers."""
    program = program_of(model or classifier(), int8=precision.quantized)
    if precision is Precision.INT8_FULL:
        program = with_integer_io(program)
    path = folder / f"{interface.pixels is not None}{interface.classes}.tflite"
    path.write_bytes(to_bytes(program, precision, METADATA, interface))
    return path


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


@pytest.mark.parametrize("interface", [IMAGES, CLASSES, BOTH])
def test_unzip_finds_the_labels(interface: Interface, tmp_path: Path) -> None:
    path = written(tmp_path, interface)
    assert stored_labels(path.read_bytes()) == LABELS
    found = subprocess.run(["unzip", "-p", str(path), "labels.txt"], capture_output=True, check=True)
    assert found.stdout.decode().splitlines() == list(LABELS)


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


def test_the_metadata_has_what_the_schema_names(tmp_path: Path) -> None:
    """Read by walking the tables, without the schema's own classes."""
    from flatbuffers import encode, packer
    from flatbuffers.number_types import UOffsetTFlags
    from flatbuffers.table import Table

    path = written(tmp_path, BOTH)
    _, model = read_model(path)
    (entry,) = (one for one in model.metadata if one.name == b"TFLITE_METADATA")
    content = bytes(model.buffers[entry.buffer].data)
    assert content[4:8] == b"M001"

    def field(table: Table, slot: int) -> int:
        offset = table.Offset(4 + 2 * slot)
        assert offset
        return int(table.Pos + offset)

    def member(table: Table, slot: int, index: int = 0) -> Table:
        start = table.Vector(table.Offset(4 + 2 * slot))
        return Table(table.Bytes, table.Indirect(start + 4 * index))

    def text(table: Table, slot: int) -> str:
        return bytes(table.String(field(table, slot))).decode()

    root = Table(content, encode.Get(packer.uoffset, content, 0))
    subgraph = member(root, 3)
    image, output = member(subgraph, 2), member(subgraph, 3)
    labels = member(output, 6)
    assert text(root, 1) == METADATA.description
    assert (text(image, 0), text(output, 0)) == ("image", "probabilities")
    assert (text(labels, 0), content[field(labels, 2)]) == ("labels.txt", 2)
    assert UOffsetTFlags.bytewidth == 4


def test_without_labels_there_is_no_archive() -> None:
    assert with_labels(b"model", ()) == b"model"
    assert stored_labels(b"model") == ()
    assert json.loads("[]") == list(stored_labels(with_labels(b"model", ())))
