"""The bytes of a file: names, signature, description, alignment."""

from __future__ import annotations

import json

import torch

from converters.contract import Artefact
from converters.tflite.structure import read_model
from tests.converters.tflite.test_lower import SoftmaxAttention
from tests.converters.tflite.tflite_helpers import content, interpreter
from tests.lowering_helpers import export


def test_the_signature_names_input_and_output(artefact: Artefact) -> None:
    signatures = interpreter(artefact.path.read_bytes()).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["image"], "outputs": ["logits"]}}


def test_the_tensors_are_called_as_the_signature_says(artefact: Artefact) -> None:
    loaded = interpreter(artefact.path.read_bytes())
    details = (loaded.get_input_details()[0], loaded.get_output_details()[0])
    assert [detail["name"] for detail in details] == ["image", "logits"]
    names = [detail["name"] for detail in loaded.get_tensor_details()]
    assert names.count("image") == names.count("logits") == 1


def test_the_file_describes_itself(artefact: Artefact) -> None:
    _, tables = read_model(artefact.path)
    assert tables.description.decode() == "a small model"
    (entry,) = (entry for entry in tables.metadata if entry.name == b"description.json")
    assert json.loads(bytes(tables.buffers[entry.buffer].data)) == {
        "author": "tests", "description": "a small model", "labels": ["cat", "dog"]
    }  # fmt: skip


def test_constant_data_is_aligned_to_sixteen_bytes() -> None:
    from ai_edge_litert import schema_py_generated as schema

    file = content(export(SoftmaxAttention(), torch.randn(1, 16, 7, 7)))
    model = schema.Model.GetRootAsModel(file, 0)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if not buffer.DataIsNone()]
    assert len(starts) > 10
    assert all(start % 16 == 0 for start in starts)
