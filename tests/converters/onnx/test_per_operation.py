"""Steps side by side: run on the CPU's own codes they give the CPU's codes again, and a step that computes something else shows alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from converters.onnx import per_operation
from converters.onnx.file import described, signed
from converters.onnx.per_operation import difference, differences
from converters.onnx.steps import Step, steps_of
from converters.qualcomm.socs import find_soc
from tests.converters.onnx.test_steps import QUANTIZED, chain

IMAGE = np.linspace(-4, 4, 48, dtype=np.float32).reshape(1, 3, 4, 4)


@pytest.fixture
def path(onnx: ModuleType, tmp_path: Path) -> Path:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    file = tmp_path / "m.onnx"
    file.write_bytes(signed(described(chain(onnx, *QUANTIZED), {})))
    return file


class OnTheCpu:
    """In the emulator's place: the steps in ONNX Runtime, of which that with the result `wrong` is `off` quanta off."""

    def __init__(self, wrong: str = "", off: int = 0) -> None:
        self.wrong, self.off = wrong, off

    def __call__(
        self, steps: Any, _soc: object, given: Mapping[str, np.ndarray], _compile: object
    ) -> dict[str, np.ndarray]:
        import onnxruntime

        session = onnxruntime.InferenceSession(steps.SerializeToString(), providers=["CPUExecutionProvider"])
        names = [end.name for end in session.get_outputs()]
        results = dict(zip(names, session.run(None, dict(given)), strict=True))
        for name in names:
            if name.partition("/")[2] == self.wrong:
                results[name].flat[0] += self.off
        return results


def test_on_the_cpu_the_steps_give_the_cpus_codes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_operation, "emulated", OnTheCpu())
    monkeypatch.setattr(per_operation, "TOGETHER", 1)
    found = differences(path, find_soc("SM8650"), IMAGE, pytest.fail)
    assert [(one.operation, one.tensor, one.quanta, one.differing) for one in found] == [
        ("QuantizeLinear", "q0", 0, 0.0),
        ("Relu+Add", "q1", 0, 0.0),
    ]


@pytest.mark.parametrize("wrong", ["q0", "q1"])
def test_a_planted_error_is_named_alone(wrong: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_operation, "emulated", OnTheCpu(wrong, 3))
    found = differences(path, find_soc("SM8650"), IMAGE, pytest.fail)
    assert [(one.tensor, one.quanta) for one in found if one.quanta] == [(wrong, 3)]


@pytest.mark.parametrize(
    ("given", "expected", "quanta"),
    [
        (np.array([127, 0, 5, 5], np.int8), np.array([-128, 0, 5, 4], np.int8), 255),
        (np.array([65535, 0, 5, 5], np.uint16), np.array([0, 0, 5, 4], np.uint16), 256),
        (np.array([300, 1], np.uint16), np.array([44, 2], np.uint16), 1),
        (np.array([301, 1], np.uint16), np.array([44, 2], np.uint16), 2),
    ],
)
def test_quanta_are_those_of_8_bits_and_do_not_wrap(
    given: np.ndarray, expected: np.ndarray, quanta: int, onnx: ModuleType
) -> None:
    model = chain(onnx, *QUANTIZED)
    found = difference(model, Step(nodes=steps_of(model)[1].nodes, reads=(), result="head.fc/q1"), given, expected)
    assert (found.quanta, found.module, found.tensor) == (quanta, "head.fc", "q1")
    assert found.differing == np.mean(given != expected)
