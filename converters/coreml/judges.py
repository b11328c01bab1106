"""What judges a .mlpackage, by name. See `converters.contract.Judge`."""

from __future__ import annotations

from pathlib import Path

from converters.contract import Runner
from converters.coreml import runtime, toolchain


class Evaluator:
    """Our evaluator, which states the arithmetic of the saved program."""

    runtime = runtime.EVALUATOR

    def missing(self) -> str | None:
        return toolchain.missing()

    def load(self, path: Path) -> Runner:
        return runtime.load(path, evaluated=True)


class CoreML:
    """Core ML itself."""

    runtime = runtime.CORE_ML

    def missing(self) -> str | None:
        return toolchain.missing() if runtime.ON_MAC else "Core ML runs on macOS: run `evit-mobile validate` there"

    def load(self, path: Path) -> Runner:
        return runtime.load(path, evaluated=False)
