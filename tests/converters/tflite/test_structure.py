"""Damaged files: refused before native code sees them, or another output, and never a crash."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Artefact
from converters.errors import ArtefactError
from converters.tflite import structure
from converters.tflite.runtime import load_runner
from converters.tflite.structure import is_signed, read_model, signed
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite.small import IMAGE


def test_a_missing_file_is_an_artefact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="No such file"):
        TFLiteTarget().load(tmp_path / "none.tflite")


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x00" * 100, b"\x18\x00\x00\x00TFL3" + b"\xff" * 200])
def test_junk_is_an_artefact_error(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.tflite"
    path.write_bytes(junk)
    for use in (TFLiteTarget().load, TFLiteTarget().inspect):
        with pytest.raises(ArtefactError):
            use(path)


def test_a_truncated_file_is_an_artefact_error(artefact: Artefact, tmp_path: Path) -> None:
    file = artefact.path.read_bytes()
    path = tmp_path / "short.tflite"
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(file[: int(len(file) * share)])
        with pytest.raises(ArtefactError):
            load_runner(path)


def test_random_damage_is_an_artefact_error_or_another_output(artefact: Artefact, tmp_path: Path) -> None:
    """Bytes of the structure: refused. Bytes of weights: another result. Never a crash of this process."""
    file, images = artefact.path.read_bytes(), torch.randn(IMAGE).numpy()
    path = tmp_path / "damaged.tflite"
    generator = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(file)
        for _ in range(generator.choice([1, 4, 32])):
            damaged[generator.randrange(len(file))] ^= 1 << generator.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            load_runner(path)(images)
        except ArtefactError:
            refused += 1
    assert 50 < refused < 150


def test_every_byte_of_the_structure_is_guarded(artefact: Artefact, tmp_path: Path) -> None:
    """A shape is structure: XNNPACK would believe it and compute on whatever lies there."""
    from ai_edge_litert import schema_py_generated as schema

    file = bytearray(artefact.path.read_bytes())
    tensor = schema.Model.GetRootAsModel(file, 0).Subgraphs(0).Tensors(3)
    start = tensor._tab.Vector(tensor._tab.Offset(4))
    file[start] ^= 4
    path = tmp_path / "shape.tflite"
    path.write_bytes(bytes(file))
    with pytest.raises(ArtefactError, match="digest"):
        load_runner(path)


def test_a_flipped_weight_changes_the_output(artefact: Artefact, model: nn.Module, tmp_path: Path) -> None:
    file = bytearray(artefact.path.read_bytes())
    weight = model.get_parameter("head.weight").detach().numpy()
    where = bytes(file).index(weight.tobytes())
    file[where + 3] ^= 0x40  # the top of an exponent
    path = tmp_path / "flipped.tflite"
    path.write_bytes(bytes(file))
    images = torch.randn(IMAGE).numpy()
    assert not np.allclose(load_runner(path)(images), load_runner(artefact.path)(images))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tables: setattr(tables.subgraphs[0].operators[0], "inputs", [10_000, 1, 2]),
        lambda tables: setattr(tables.subgraphs[0].operators[0], "inputs", None),
        lambda tables: setattr(tables.subgraphs[0].operators[0], "opcodeIndex", 99),
        lambda tables: setattr(tables.subgraphs[0].tensors[1], "buffer", 10_000),
        lambda tables: setattr(tables.subgraphs[0].tensors[1], "shape", [7]),
        lambda tables: setattr(tables.subgraphs[0], "outputs", [-1]),
        lambda tables: setattr(tables, "subgraphs", []),
    ],
)
def test_foreign_files_are_checked_for_consistency(artefact: Artefact, tmp_path: Path, spoil: object) -> None:
    import flatbuffers

    _, tables = read_model(artefact.path)
    tables.metadata = []
    spoil(tables)  # type: ignore[operator]
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "foreign.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError):
        load_runner(path)


def test_a_digest_is_of_the_structure_and_not_of_weights(artefact: Artefact, model: nn.Module) -> None:
    content = artefact.path.read_bytes()
    assert is_signed(content)
    assert signed(content) == content, "the digest itself is no part of it"
    weight = model.get_parameter("head.weight").detach().numpy().tobytes()
    other = content.replace(weight, b"\1" * len(weight))
    assert other != content
    assert signed(other) == other
    renamed = content.replace(b"serving_default", b"serving_defaulT")
    assert signed(renamed) not in (renamed, content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda tables: setattr(tables.subgraphs[0].tensors[1], "shape", [-1, 3]), "has the shape"),
        (lambda tables: setattr(tables.subgraphs[0].tensors[1], "buffer", 10_000), "has no buffer"),
        (lambda tables: setattr(tables.subgraphs[0].tensors[1], "shape", [7]), "bytes for the shape"),
        (lambda tables: setattr(tables.subgraphs[0].operators[0], "opcodeIndex", 99), "operator 0 has no code"),
        (lambda tables: setattr(tables.subgraphs[0].operators[0], "outputs", None), "operator 0 has no tensors"),
        (lambda tables: setattr(tables.subgraphs[0].operators[0], "outputs", [-1]), "operator 0 reads or writes no"),
        (lambda tables: setattr(tables.subgraphs[0], "inputs", [10_000]), "its inputs are no tensors"),
        (lambda tables: setattr(tables, "operatorCodes", []), "without a graph"),
    ],
)
def test_an_inconsistency_is_named(artefact: Artefact, spoil: object, said: str) -> None:
    _, tables = read_model(artefact.path)
    assert structure._inconsistency(tables) is None
    spoil(tables)  # type: ignore[operator]
    assert said in str(structure._inconsistency(tables))


def test_a_file_of_another_kind_has_no_identifier(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x18\0\0\0ET12" + b"\0" * 64)
    with pytest.raises(ArtefactError, match=r"m\.tflite, no TFLite identifier.*an undamaged \.tflite file"):
        read_model(path)


def test_what_is_no_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="Is a directory"):
        read_model(tmp_path)
