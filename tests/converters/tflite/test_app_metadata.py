"""The metadata by which apps' own libraries take a file, and the labels behind it."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from converters.contract import Metadata
from converters.interface import Interface
from converters.tflite.app_metadata import INPUTS, app_metadata, stored_labels, with_labels
from converters.tflite.graph import DataType, Graph
from converters.tflite.graph import Tensor as Stored
from converters.tflite.structure import read_model
from tests.converters.tflite.tflite_helpers import stored, written
from tests.interface_models import BOTH, CLASSES, IMAGES, LABELS, METADATA


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


@pytest.mark.parametrize("interface", [IMAGES, CLASSES, BOTH])
def test_unzip_finds_the_labels(interface: Interface, tmp_path: Path) -> None:
    path = written(tmp_path, interface)
    assert stored_labels(path.read_bytes()) == LABELS
    found = subprocess.run(["unzip", "-p", str(path), "labels.txt"], capture_output=True, check=True)
    assert found.stdout.decode().splitlines() == list(LABELS)


def ends(dtype: DataType) -> Graph:
    image = Stored(name="x", shape=(1, 4, 4, 3), dtype=dtype)
    return Graph(inputs=[image], outputs=[stored((1, 2), name="y")])


@pytest.mark.parametrize("dtype", [DataType.UINT8, DataType.FLOAT32, DataType.INT8])
def test_what_an_input_means_is_said_of_each_type(dtype: DataType) -> None:
    content = app_metadata(ends(dtype), METADATA, "logits")
    assert [text.encode() + b"\0" in content for text in INPUTS.values()] == [one is dtype for one in INPUTS]
    assert (struct.pack("<f", 255.0) in content) == (dtype is DataType.UINT8), "only pixels are divided"


@pytest.mark.parametrize(
    ("output", "said", "unsaid"),
    [
        ("probabilities", b"Probability of each class", b"Score of each class"),
        ("logits", b"Score of each class before softmax", b"Probability of each class"),
    ],
)
def test_an_output_is_scores_or_probabilities(output: str, said: bytes, unsaid: bytes) -> None:
    content = app_metadata(ends(DataType.FLOAT32), METADATA, output)
    assert said in content
    assert unsaid not in content


def test_what_is_not_known_is_not_said() -> None:
    content = app_metadata(ends(DataType.FLOAT32), Metadata(description="d", author="somebody"), "logits")
    assert b"somebody" in content
    assert b"labels.txt" not in content
    assert b"labels.txt" in app_metadata(ends(DataType.FLOAT32), METADATA, "logits")


def test_labels_lie_behind_an_unchanged_file_and_are_the_same_bytes_every_time() -> None:
    labels = ("boot", "a b", "Größe", "")
    content = with_labels(b"the model", labels)
    assert content.startswith(b"the model")
    assert content == with_labels(b"the model", labels)
    assert stored_labels(content) == labels
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode() == "boot\na b\nGröße\n\n"


def test_an_archive_of_something_else_has_no_labels() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert stored_labels(file.getvalue()) == ()


def test_a_break_inside_a_label_gives_no_other_class_its_name() -> None:
    """Names may come out of JSON or a checkpoint; every reader of labels.txt takes them a line each."""
    labels = ("one", "two\nlines", "carriage\r\nreturn", "next\x85line", "separator\u2028here", "last")
    stored = stored_labels(with_labels(b"model", labels))
    assert stored == ("one", "two lines", "carriage return", "next line", "separator here", "last")
