"""What targets of files for one of Qualcomm's SoCs have in common: such files are made of portable ones, and refused elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from converters.contract import Artefact, FloatType, Inspection, Metadata, Precision, Target
from converters.errors import ArtefactError
from converters.qualcomm import libraries
from converters.qualcomm.socs import find_soc

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class CompiledTarget(ABC):
    """The part of a Target that does not depend on the format. `made_from` is that of the portable files, without a dot their suffix."""

    made_from: ClassVar[str]
    evaluated = True
    several_sizes = False
    takes_pixels = False
    floats = FloatType.FP16
    images = 32

    def __init__(self, soc: str) -> None:
        self.soc = find_soc(soc)
        self.name = self.soc.format_of(self.made_from)
        self.suffix = f".{self.soc.name.lower()}.{self.made_from}"
        self.runtime = self.soc.emulator

    @abstractmethod
    def portable(self) -> Target:
        """The target of the portable files."""

    @abstractmethod
    def compile(self, portable: Path, precision: Precision, path: Path) -> Artefact:
        """The file at `portable`, compiled, as `path`. Raises ArtefactError for one that was not written here, ToolchainError where the
        compiler does not take it whole.
        """

    def missing(self) -> str | None:
        return (
            libraries.missing() or self.portable().missing()
        )  # in this order: the extra qualcomm brings ONNX's packages along

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        with TemporaryDirectory() as folder:
            portable = Path(folder, f"portable.{self.made_from}")
            self.portable().lower(program, precision, portable, metadata)
            return self.compile(portable, precision, path)

    def described(self, path: Path, precision: Precision, ends: Inspection, packages: tuple[str, ...]) -> Artefact:
        """The compiled file at `path`, which takes and gives what `ends` does."""
        from converters.written import written

        artefact = written(
            path, format=self.name, precision=precision, inputs=ends.inputs, outputs=ends.outputs, packages=packages
        )
        return replace(artefact, soc=self.soc.name, reproducible=False)

    def check_soc(self, path: Path, soc: str) -> None:
        """Raises ArtefactError where the file at `path`, which is for `soc`, is not for this one."""
        if soc != self.soc.name:
            raise ArtefactError(
                got=f"{path}, which is compiled for {soc or 'no SoC that it names'}",
                allowed=f"a file for {self.soc.name}",
                do="rename it back, or compile the model for this SoC",
            )
