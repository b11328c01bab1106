"""Steps side by side: run on the CPU's own codes they give the CPU's codes again, and a step that computes something else shows alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from converters.qualcomm.socs import find_soc
from converters.tflite import per_operation
from converters.tflite.inspect import operator_kinds
from converters.tflite.per_operation import cpu_codes, difference, differences
from converters.tflite.steps import steps_of
from converters.tflite.structure import read_model
from tests.converters.tflite.small import attention_file


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(1, 3, 8, 8)


@pytest.fixture(scope="module")
def path(x: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("steps") / "m.tflite"
    file.write_bytes(attention_file(x))
    return file


class OnTheCpu:
    """In the emulator's place: the steps on LiteRT's kernels, of which that with the number `wrong` is `off` quanta off."""

    def __init__(self, wrong: int = -1, off: int = 0) -> None:
        self.wrong, self.off = wrong, off

    def __call__(self, file: bytes, _soc: object, inputs: list[np.ndarray], _compile: object) -> list[np.ndarray]:
        kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=file, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
        for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
        if self.wrong >= 0:
            code = int(outputs[self.wrong].flat[0])
            outputs[self.wrong].flat[0] = code - self.off if code > 0 else code + self.off
        return outputs


def test_on_the_cpu_the_steps_give_the_cpus_codes(path: Path, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_operation, "emulated", OnTheCpu())
    found = differences(path, find_soc("SM8650"), x.numpy(), pytest.fail)
    assert {(one.quanta, one.differing) for one in found} == {(0, 0.0)}
    named = [(one.operation, one.module) for one in found]
    assert ("CONV_2D", "first") in named
    assert ("SOFTMAX", "") in named


@pytest.mark.parametrize("wrong", [1, 3])
def test_a_planted_error_is_named_alone(
    wrong: int, path: Path, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(per_operation, "emulated", OnTheCpu(wrong, 3))
    found = differences(path, find_soc("SM8650"), x.numpy(), pytest.fail)
    assert [number for number, one in enumerate(found) if one.quanta] == [wrong]
    assert found[wrong].quanta == 3


def test_the_cpus_codes_are_those_of_every_tensor(path: Path, x: torch.Tensor) -> None:
    _, model = read_model(path)
    codes = cpu_codes(path, x.numpy())
    assert all(codes(step.result).dtype == np.int8 for step in steps_of(model.subgraphs[0]))


def test_a_step_is_called_by_what_it_does_beside_conversions(path: Path) -> None:
    _, model = read_model(path)
    steps = {step.result: step for step in steps_of(model.subgraphs[0])}
    kinds = operator_kinds(model)
    for step in steps.values():
        codes = np.zeros(4, np.int8)
        found = difference(model, step, codes, codes)
        named = {kinds[number] for number in step.operators}
        assert set(found.operation.split("+")) == (named - {"DEQUANTIZE", "QUANTIZE", "RESHAPE"} or named)


def test_the_difference_of_codes_does_not_wrap(path: Path) -> None:
    _, model = read_model(path)
    (step, *_) = steps_of(model.subgraphs[0])
    found = difference(model, step, np.array([127, 0, 5, 5], np.int8), np.array([-128, 0, 5, 4], np.int8))
    assert (found.quanta, found.differing) == (255, 0.5)
