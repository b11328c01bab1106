"""Core ML as a target of the converter contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, FloatType, Inspection, Metadata, Precision, Runner
from converters.coreml import inspect, lower, options, runtime, toolchain
from converters.interface import Choices, Function

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class CoreMLTarget:
    """ML Programs for iPhones and Macs, with the interface that is asked for."""

    name = "coreml"
    suffix = ".mlpackage"
    precisions = MappingProxyType(
        {
            precision: FloatType.FP32 if precision is Precision.FP32 else FloatType.FP16
            for precision in options.USUAL_RELEASE
        }
    )
    evaluated = not runtime.ON_MAC
    several_sizes = True
    takes_pixels = True
    answers_by_name = True
    runtime = runtime.runtime()

    def __init__(
        self,
        interface: options.Options = options.TENSORS,
        further: Sequence[Function] = (),
        islands: frozenset[str] = frozenset(),
    ) -> None:
        """`further` are those of other input sizes than that of the program to be lowered, whose `islands` these are."""
        self.interface, self.further, self.islands = interface, further, islands

    def chosen(self, choices: Choices) -> CoreMLTarget:
        interface = choices.interface
        asked = options.Options(pixels=interface.pixels, classes=interface.classes, release=choices.release)
        return CoreMLTarget(asked, choices.further, choices.islands)

    def check_release(self, release: int | None, precision: Precision) -> None:
        options.Options(release=release).release_for(precision)

    def check_functions(self, choices: Choices) -> None:
        lower.check_functions(options.Options(classes=choices.interface.classes, release=choices.release))

    def missing(self) -> str | None:
        return toolchain.missing()

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        usual = Function(program=program, islands=self.islands)
        return lower.lower((usual, *self.further), precision, path, metadata, self.interface)

    def load(self, path: Path) -> Runner:
        return runtime.load(path)

    def inspect(self, path: Path) -> Inspection:
        return inspect.inspect(path)
