"""Steps of a file, from codes to codes, and a file of them side by side."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from converters.tflite.steps import Step, side_by_side, steps_of
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


INT8, FLOAT = 9, 0


def subgraph(
    types: list[int], operators: list[tuple[list[int], int]], inputs: tuple[int, ...] = (0,)
) -> SimpleNamespace:
    """Tensors of these types, operators that read some of them and give one."""
    return SimpleNamespace(
        tensors=[SimpleNamespace(type=one) for one in types],
        operators=[SimpleNamespace(inputs=reads, outputs=[gives]) for reads, gives in operators],
        inputs=inputs,
    )


def test_floats_between_codes_belong_to_the_step_behind_them() -> None:
    # 0 (float) -> 1 (codes) -> 2 (float) -> 3 (float, reads 1 as well) -> 4 (codes)
    graph = subgraph([FLOAT, INT8, FLOAT, FLOAT, INT8], [([0], 1), ([1], 2), ([2, 1], 3), ([3], 4)])
    assert steps_of(graph) == [
        Step(operators=(0,), reads=(0,), result=1),
        Step(operators=(1, 2, 3), reads=(1,), result=4),
    ]


def test_constants_and_absent_tensors_are_not_read() -> None:
    graph = subgraph([INT8, INT8, INT8], [([0, 1, -1], 2)])  # 1 is a weight: nothing gives it
    assert steps_of(graph) == [Step(operators=(0,), reads=(0,), result=2)]


def test_two_steps_may_read_the_same_float() -> None:
    graph = subgraph([INT8, FLOAT, INT8, INT8], [([0], 1), ([1], 2), ([1], 3)])
    assert [step.operators for step in steps_of(graph)] == [(0, 1), (0, 2)]


def test_floats_at_the_end_are_no_step() -> None:
    assert steps_of(subgraph([INT8, FLOAT], [([0], 1)])) == []
