"""What some targets and judges have besides what all have (`converters.contract`), to be asked for by `isinstance`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from converters.contract import Artefact, Delegation, FloatType, Precision, SettingsRun, Target
from converters.interface import Choices, Function, Interface

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class ForGpus(Protocol):
    """A target whose files GPUs run as well, in fp16 whatever their own floats are, unless they are for CPUs only."""

    cpu_only: bool

    def for_cpus(self) -> Target:
        """The target of files for CPUs only."""
        ...


def floats_to_fit(target: Target, precision: Precision, *, overflowing: bool = False) -> FloatType:
    """What has to hold the results of a file's float operations, wherever it is run. Those of int8 files read codes, which cannot leave the
    calibrated ranges: they keep the faster form, unless that is `overflowing`: what it computes within these is too large for fp16.
    """
    on_gpus = isinstance(target, ForGpus) and not target.cpu_only
    has_to_fit = not precision.calibrated or (overflowing and precision is Precision.INT8)
    return FloatType.FP16 if on_gpus and has_to_fit else target.precisions[precision]


@runtime_checkable
class SettingsRunner(Protocol):
    """A judge whose runtime has other settings that phones may use."""

    def run_with_settings(self, path: Path, images: np.ndarray) -> SettingsRun | None:
        """Runs the file on float32 images (B, 3, H, W) under these; None where it has none that matter."""
        ...


@runtime_checkable
class Compiler(Target, Protocol):
    """A target whose files are made of another format's, for one chip."""

    made_from: str
    """That format."""

    def compile(self, portable: Path, precision: Precision, path: Path) -> Artefact:
        """The file at `portable`, compiled, as `path`. Raises ArtefactError for one that was not written here, ToolchainError where the
        compiler does not take it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDifference:
    """How far the results of one operation are off, when it is held against another computing the same of the same operands: `quanta` at
    most, and the fraction of them that differ. A quantum is a step of a code; what it is of floats, the judge says.
    """

    operation: str
    module: str
    tensor: str
    quanta: int
    differing: float


@runtime_checkable
class StepJudge(Protocol):
    """A judge that also runs files an operation at a time, each on what the CPU gave the one before."""

    made_from: str
    """The format of the files that its own are made from, and in which operations can be told apart."""

    def steps(self, path: Path, image: np.ndarray) -> tuple[StepDifference, ...]:
        """Every operation of a file of that format, in order, for a float32 image (1, 3, H, W). Raises ArtefactError, ToolchainError."""
        ...


@runtime_checkable
class ProgramStepJudge(Protocol):
    """A judge that also holds every operation of a file against the program that it was written from, in PyTorch."""

    def program_steps(self, path: Path, function: Function, image: np.ndarray) -> tuple[StepDifference, ...]:
        """The operations of the file that give a result of the program's, in order, for a float32 image (1, 3, H, W): each against what
        PyTorch makes of the results before it. Raises ArtefactError, also for a file of another program.
        """
        ...


@runtime_checkable
class Accelerator(Protocol):
    """A judge that computes every file in floats of its own, whatever the file's are, and is slow here."""

    floats: FloatType
    images: int
    """How many of the held-out images it runs, at most."""


@runtime_checkable
class HalfAdder(Protocol):
    """A judge whose runtime adds up products in fp16 where a file's floats are fp16: less exact than the sums of most processors."""

    half_sums: bool


@runtime_checkable
class Choosable(Protocol):
    """A target that heeds some of the `Choices` about a file."""

    def chosen(self, choices: Choices) -> Target:
        """The target that writes files like that. Raises OptionError for choices that contradict each other."""
        ...


@runtime_checkable
class ForReleases(Protocol):
    """A target whose files are for a release of an operating system on, which decides what they can be."""

    def check_release(self, release: int | None, precision: Precision) -> None:
        """Raises OptionError for a precision that needs a newer release; None is the usual one."""
        ...

    def check_functions(self, choices: Choices) -> None:
        """Raises OptionError for what a file of several sizes cannot have."""
        ...


@runtime_checkable
class AnswersByName(Protocol):
    """A target whose files with `Interface.classes` answer with the name of one class: names have to differ, and maps of classes have
    none.
    """

    answers_by_name: bool


@runtime_checkable
class TakesPixels(Protocol):
    """A target whose runners take 8-bit pixels as well as preprocessed images, where its files normalise."""

    interface: Interface


@runtime_checkable
class NpuCompiler(Protocol):
    """A target whose files NPU compilers take."""

    def compile_for_npu(self, path: Path) -> tuple[Delegation, ...]:
        """How the NPU compilers installed here take the file; empty without one. Raises ArtefactError, ToolchainError."""
        ...


def compiled_for_npu(target: Target, path: Path) -> tuple[Delegation, ...]:
    """How NPU compilers take the file, where it has such and they are installed. Raises ArtefactError, ToolchainError."""
    return target.compile_for_npu(path) if isinstance(target, NpuCompiler) else ()
