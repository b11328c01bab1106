"""What judges the Core ML program inside a .coreml.pte file: whatever judges packages. See `converters.contract.Judge`."""

from __future__ import annotations

from pathlib import Path

from converters.contract import Judge, Runner
from converters.executorch.delegates.coreml import unpacked
from converters.registry import find_judge


class Inside:
    """The judge of this name of packages, given the one inside."""

    name = ""

    def __init__(self) -> None:
        self.judge: Judge = find_judge(self.name, "coreml")
        self.runtime = f"{self.judge.runtime}, given the Core ML program inside"

    def missing(self) -> str | None:
        return self.judge.missing()

    def load(self, path: Path) -> Runner:
        with unpacked(path) as package:
            return self.judge.load(package)


class EvaluatorInside(Inside):
    name = "evaluator"


class CoreMLInside(Inside):
    name = "coreml"
