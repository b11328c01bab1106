"""Steps of a file, from codes to codes, and a file of them side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from converters.tflite.steps import side_by_side, steps_of
from converters.tflite.structure import read_model
from tests.converters.tflite.small import attention_file


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("steps") / "m.tflite"
    file.write_bytes(attention_file(torch.randn(1, 3, 8, 8)))
    return file


def test_every_code_is_made_by_one_step_of_codes(path: Path) -> None:
    _, model = read_model(path)
    steps = steps_of(model.subgraphs[0])
    assert [len(step.reads) for step in steps] == [1] * len(steps)
    assert max(len(step.operators) for step in steps) > 1  # the softmax, between two layers
    _, cut = read_model(written(path.with_name("cut.tflite"), side_by_side(model, steps)))
    subgraph = cut.subgraphs[0]
    assert len(subgraph.outputs) == len(steps)
    assert not set(map(int, subgraph.inputs)) & set(map(int, subgraph.outputs))


def written(path: Path, file: bytes) -> Path:
    path.write_bytes(file)
    return path
