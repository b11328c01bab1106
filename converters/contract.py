"""The types that every runtime's converter speaks. Imports no toolchain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from converters.plan import INT8 as INT8
from converters.plan import INT8_CHANNELS as INT8_CHANNELS
from converters.plan import ActivationQuantization as ActivationQuantization
from converters.plan import BiasCorrection as BiasCorrection
from converters.plan import FloatDecision as FloatDecision
from converters.plan import Numbers as Numbers
from converters.plan import QuantPlan as QuantPlan
from converters.plan import WeightQuantization as WeightQuantization

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram


class Precision(StrEnum):
    """Arithmetic of an artefact: all fp32, all fp16, or one of the int8 profiles.

    INT8 is accuracy first: int8 where the plan says so, float elsewhere. INT8_WEIGHTS stores weights as int8 and computes in
    float. INT8_FULL is integer arithmetic only, for NPUs. A16W8 is INT8 with activations of 16 bits. With a palette, weights are
    indices of 4 or 6 bits into tables of fp16 or int8 values.
    """

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_WEIGHTS = "int8-weights"
    INT8_FULL = "int8-full"
    A16W8 = "a16w8"
    FP16_PALETTE4 = "fp16-palette4"
    FP16_PALETTE6 = "fp16-palette6"
    INT8_PALETTE4 = "int8-palette4"
    INT8_PALETTE6 = "int8-palette6"

    @property
    def quantized(self) -> bool:
        """Whether it is one of the int8 profiles, whose programs carry a plan."""
        return self.value.startswith("int8") or self is Precision.A16W8

    @property
    def calibrated(self) -> bool:
        """Whether its activations are integers, so that it needs calibration images."""
        return self.quantized and self is not Precision.INT8_WEIGHTS

    @property
    def compressed(self) -> bool:
        """Whether its weights are stored as codes, not as floats."""
        return self not in (Precision.FP32, Precision.FP16)

    @property
    def palette_bits(self) -> int | None:
        """Bits of an index into a palette, None without palettes."""
        _, found, bits = self.value.partition("-palette")
        return int(bits) if found else None


class FloatType(StrEnum):
    """What the operations of an artefact that are not int8 compute in."""

    FP32 = "fp32"
    FP16 = "fp16"


class Layout(StrEnum):
    """Order of an image tensor's dimensions."""

    NCHW = "NCHW"
    NHWC = "NHWC"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or output of an artefact. `layout` is None for tensors that are not images. An integer tensor has a scale and a
    zero point: real = scale * (q - zero_point).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: Layout | None = None
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Operations of one kind that a delegate did not take."""

    op: str
    count: int
    reason: str
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """How a runtime's accelerated delegate or an NPU's compiler took the artefact, as that itself says.

    `partitions` is None where only the device decides.
    """

    delegate: str
    partitions: int | None
    delegated_ops: int
    total_ops: int
    fallback: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is inside a written artefact: operation counts by kind, tensor counts by dtype, delegation, and how the compilers of
    NPUs that are installed here take it. `modules` counts operations by kind per module, by its path, where a file says that.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operations: dict[str, int]
    dtypes: dict[str, int]
    bytes: int
    delegation: Delegation | None
    npu: tuple[Delegation, ...] = ()
    modules: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the file says about itself, where its format has room for it. `preprocessing` is how images become its input, as manifests
    say it; the formats that have no place for it leave it to the manifest.
    """

    description: str
    author: str = ""
    license: str = ""
    version: str = ""
    labels: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    preprocessing: dict[str, Any] = field(default_factory=dict)

    def texts(self) -> dict[str, Any]:
        """All but the preprocessing, by name."""
        return {name: value for name, value in asdict(self).items() if name != "preprocessing"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A written file (or package folder) and what it takes and gives. `oldest_runtime` is the name and version of the oldest one that it
    is right on, as tried (Core ML: as the file itself asks for), None where nothing was tried. `soc` is the chip that a file is compiled
    for; what a maker's compiler writes is not `reproducible`, as its bytes differ from one time to the next. `unproven` is
    the part of a file that no judge can run, in words.
    """

    format: str
    precision: Precision
    path: Path
    bytes: int
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    toolchain: dict[str, str]
    oldest_runtime: str | None = None
    soc: str | None = None
    reproducible: bool = True
    unproven: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRun:
    """What a file gave under settings of its runtime that `load` does not use, but phones may: `words` say what was run, for
    verdicts; `fault` what went wrong, None where nothing did.
    """

    words: str
    fault: str | None = None


Runner = Callable[["np.ndarray"], "np.ndarray"]
"""Runs a loaded artefact: float32 images (B, 3, H, W) -> float32 outputs (B, ...), any B, whatever the file's own batch
and layout."""


class Target(Protocol):
    """One runtime's format. Implementations import their toolchain inside these methods only."""

    name: str
    suffix: str
    precisions: Mapping[Precision, FloatType]
    """The precisions it has, and what each one's float operations compute in on the phone."""
    runtime: str
    """What `load` runs the file on here, in words, for verdicts and tables."""
    evaluated: bool
    """Whether its times say nothing about phones: an evaluator of ours in place of a runtime, or one that is made to check with."""
    several_sizes: bool
    """Whether one file can take images of several sizes."""
    takes_pixels: bool
    """Whether files can take 8-bit images that they normalise, and give probabilities of named classes (`converters.interface`)."""

    def missing(self) -> str | None:
        """None when the toolchain is usable on this machine, else what is missing and how to get it."""
        ...

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        """Writes `program` to `path` (atomically: never half a file under the final name).

        For the int8 profiles the program already carries quantize/dequantize pairs (see `quantized_program`).
        Raises ToolchainError.
        """
        ...

    def load(self, path: Path) -> Runner:
        """Opens the written bytes in the real runtime. Raises ArtefactError for a damaged file, ToolchainError."""
        ...

    def inspect(self, path: Path) -> Inspection:
        """What the file contains and how its delegate takes it. Raises ArtefactError, ToolchainError."""
        ...


class Judge(Protocol):
    """Something that runs the written bytes of a format on a processor, real or emulated. A `Target` is the usual one of its format."""

    runtime: str
    """What it runs them on, in words that claim no more."""

    def missing(self) -> str | None:
        """None where it can run here, else what is missing and how to get it."""
        ...

    def load(self, path: Path) -> Runner:
        """Opens the written bytes. Raises ArtefactError for a damaged file, NoRuntimeError that says why it gives no outputs,
        ToolchainError.
        """
        ...
