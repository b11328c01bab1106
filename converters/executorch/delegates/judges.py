"""What judges the Core ML program inside a .coreml.pte file: whatever judges packages. See `converters.contract.Judge`."""

from __future__ import annotations

from pathlib import Path

from converters.contract import Judge, Runner
from converters.executorch.delegates.coreml import unpacked


class Inside:
    """A judge of packages, given the one inside."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.runtime = f"{judge.runtime}, given the Core ML program inside"

    def missing(self) -> str | None:
        return self.judge.missing()

    def load(self, path: Path) -> Runner:
        with unpacked(path) as package:
            return self.judge.load(package)
