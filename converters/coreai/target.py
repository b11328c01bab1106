"""Core AI as a target of the converter contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, Inspection, Metadata, Precision, Runner
from converters.coreai import inspect, lower, runtime, toolchain
from converters.interface import Choices

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class CoreAITarget:
    """Assets for iPhones and Macs from iOS and macOS 27 on."""

    name = "coreai"
    suffix = ".aimodel"
    precisions = MappingProxyType(lower.PRECISIONS)
    evaluated = not runtime.ON_MAC
    several_sizes = True
    takes_pixels = False
    half_sums = not runtime.ON_MAC
    """Of linear layers and products of matrices; those of convolutions are float32's."""
    runtime = runtime.RUNTIME

    def __init__(self, further: Sequence[ExportedProgram] = ()) -> None:
        """`further` are the programs of other input sizes than that of the one to be lowered: the asset has them too."""
        self.further = further

    def chosen(self, choices: Choices) -> CoreAITarget:
        return CoreAITarget(choices.further)

    def missing(self) -> str | None:
        return toolchain.missing()

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        return lower.lower(program, precision, path, metadata, self.further)

    def load(self, path: Path) -> Runner:
        return runtime.load(path)

    def inspect(self, path: Path) -> Inspection:
        return inspect.inspect(path)
