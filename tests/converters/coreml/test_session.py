"""Timing in Core ML: the inputs that the package's default function takes, and where there is no Core ML."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest

from converters.coreml import session, toolchain


class FakeModel:
    """coremltools' MLModel as documented, of one or two functions, and with what it was last given."""

    functions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    given: Any = None

    def __init__(self, path: str) -> None:
        assert path == "p.mlpackage"

    def get_spec(self) -> Any:
        specification = toolchain.load().proto.Model_pb2.Model()
        description = specification.description
        for name, shape in self.functions:
            where = description.functions.add(name=name) if name else description
            entry = where.input.add(name="image")
            entry.type.multiArrayType.shape.extend(shape)
        description.defaultFunctionName = self.functions[-1][0]
        return specification

    def predict(self, inputs: dict[str, np.ndarray]) -> None:
        FakeModel.given = inputs


@pytest.mark.parametrize(
    "functions",
    [(("", (1, 3, 8, 6)),), (("size_4x4", (1, 3, 4, 4)), ("size_8x6", (1, 3, 8, 6)))],
    ids=["one function", "the default of two"],
)
def test_inputs_are_those_of_the_default_function_and_the_same_every_time(
    functions: tuple[tuple[str, tuple[int, ...]], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeModel, "functions", functions)
    monkeypatch.setattr(toolchain.load().models, "MLModel", FakeModel)
    runs = []
    for _ in range(2):
        session.Session("p.mlpackage", threads=1).run()
        runs.append(FakeModel.given["image"])
    assert runs[0].shape == (1, 3, 8, 6)
    assert runs[0].dtype == np.float32
    assert abs(runs[0].mean()) < 0.3
    assert 0.8 < runs[0].std() < 1.2
    np.testing.assert_array_equal(*runs)


def test_only_macos_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(ImportError, match="profile there, or read an iOS report"):
        session.describe()
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("15.1", ("", "", ""), "arm64"))
    assert session.describe() == {"name": "Core ML on macOS 15.1", "version": toolchain.load().__version__}
