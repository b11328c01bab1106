"""How a pass of ours becomes one that coremltools runs by its name."""

from __future__ import annotations

from typing import Any

import pytest

from converters.coreml import toolchain
from tests.lazily import Lazily

passes = Lazily("converters.coreml.passes")
registration = Lazily("converters.coreml.passes.registration")


def test_a_class_is_known_by_its_name_and_applied_to_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = toolchain.load("coremltools.converters.mil.mil.passes.pass_registry").PASS_REGISTRY
    monkeypatch.setattr(registry, "passes", dict(registry.passes))
    seen: list[Any] = []

    @registration.register_pass
    class for_this_test(registration.GraphPass):  # noqa: N801  # a pass is known by its class name
        """Notes the program."""

        def apply(self, program: Any) -> None:
            seen.append(program)

    mil = toolchain.load("coremltools.converters.mil.mil")
    program = mil.Program()
    registry["converters::for_this_test"](program)
    assert seen == [program]


def test_every_pass_that_is_to_run_is_registered() -> None:
    registry = toolchain.load("coremltools.converters.mil.mil.passes.pass_registry").PASS_REGISTRY
    named = passes.PASSES
    assert [name for name in named if name not in registry] == []
    assert {name for name in registry.passes if name.startswith("converters::")} == {
        name for name in named if name.startswith("converters::")
    }
