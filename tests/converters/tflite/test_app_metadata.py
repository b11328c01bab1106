"""The metadata by which apps' own libraries take a file, and the labels behind it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from converters.interface import Interface
from converters.tflite.app_metadata import stored_labels, with_labels
from converters.tflite.structure import read_model
from tests.converters.tflite.tflite_helpers import written
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
