"""How our passes become coremltools' own: a class with `apply(program)`, known as `converters::<name of the class>`."""

from __future__ import annotations

from typing import Any

from converters.coreml import toolchain

register_pass: Any = toolchain.load("coremltools.converters.mil.mil.passes.pass_registry").register_pass(
    namespace="converters"
)
GraphPass: Any = toolchain.load("coremltools.converters.mil.mil.passes.graph_pass").AbstractGraphPass
