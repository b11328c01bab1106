"""Core AI as a target of the converter contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, Inspection, Metadata, Precision, Runner
from converters.coreai import inspect, lower, runtime, toolchain
from converters.interface import TENSORS, Choices, Function, Interface
from converters.traits import StepDifference

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram


class CoreAITarget:
    """Assets for iPhones and Macs from iOS and macOS 27 on."""

    name = "coreai"
    suffix = ".aimodel"
    precisions = MappingProxyType(lower.PRECISIONS)
    evaluated = not runtime.ON_MAC
    several_sizes = True
    takes_pixels = True
    half_sums = not runtime.ON_MAC
    """Of linear layers and products of matrices; those of convolutions are float32's."""
    runtime = runtime.RUNTIME

    def __init__(
        self,
        further: Sequence[Function] = (),
        islands: frozenset[str] = frozenset(),
        interface: Interface = TENSORS,
    ) -> None:
        """`further` are those of other input sizes than that of the program to be lowered, whose `islands` these are."""
        self.further, self.islands, self.interface = further, islands, interface

    def chosen(self, choices: Choices) -> CoreAITarget:
        return CoreAITarget(choices.further, choices.islands, choices.interface)

    def missing(self) -> str | None:
        return toolchain.missing()

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        usual = Function(program=program, islands=self.islands)
        return lower.lower((usual, *self.further), precision, path, metadata, self.interface)

    def load(self, path: Path) -> Runner:
        return runtime.load(path)

    def program_steps(self, path: Path, function: Function, image: np.ndarray) -> tuple[StepDifference, ...]:
        from converters.coreai.per_operation import differences

        return differences(path, function, image)

    def inspect(self, path: Path) -> Inspection:
        return inspect.inspect(path)
