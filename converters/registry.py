"""The table of formats, a row each. A class is imported when it is asked for.

A new format is a row of FORMATS and a folder `converters/<format>/` with the classes that the row spells (docs/add-a-format.md).
Everything else that lists formats, delegates or judges follows from the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from converters.contract import Judge, Target
from converters.errors import ArtefactError, ConverterError, ToolchainError
from converters.misspelt import did_you_mean
from converters.qualcomm.socs import SOCS


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Files ending in `suffix`, written by the class that `target` spells, with the toolchain of the package's `extra`.

    A class is spelled "module:Class", or "module:Class:argument" where it takes one. `name` is that of manifests. `judges` can run
    its files on this machine (`converters.contract.Judge`): names as `--on` takes them and the classes, of which the first that is
    ready is the usual one. Where one format of the command line has several delegates, or files for one chip each, `of` is its name
    there; `delegate` tells delegates apart. Where a file is another format's, packed, that is `inside`: target and judges are made
    with the target of that, and its judges of the same names. What is `optional` is not part of all
    formats unless it is installed.
    """

    name: str
    suffix: str
    target: str
    judges: Mapping[str, str]
    extra: str = ""
    of: str | None = None
    delegate: str | None = None
    inside: str | None = None
    optional: bool = False


COMPILED = {
    "tflite": "converters.tflite.qualcomm:QualcommTarget",
    "onnx": "converters.onnx.qualcomm:OnnxQualcommTarget",
}
"""Formats that compilers make files for one of Qualcomm's SoCs of, and the class of these."""

FORMATS = (
    Format(
        name="coreml",
        suffix=".mlpackage",
        target="converters.coreml.target:CoreMLTarget",
        judges={
            "coreml": "converters.coreml.judges:CoreML",
            "evaluator": "converters.coreml.judges:Evaluator",
        },
        extra="coreml",
    ),
    Format(
        name="coreai",
        suffix=".aimodel",
        target="converters.coreai.target:CoreAITarget",
        judges={"coreai": "converters.coreai.target:CoreAITarget"},
        extra="coreai",
        optional=True,
    ),
    Format(
        name="tflite",
        suffix=".tflite",
        target="converters.tflite.target:TFLiteTarget",
        judges={
            "xnnpack": "converters.tflite.target:TFLiteTarget",
            "arm": "converters.tflite.judges:ArmInQemu",
            "vela": "converters.tflite.judges:Vela",
            "gpu": "converters.tflite.judges:GpuInSoftware",
        },
        extra="tflite",
    ),
    Format(
        name="executorch",
        suffix=".pte",
        target="converters.executorch.target:ExecuTorchTarget",
        judges={"xnnpack": "converters.executorch.target:ExecuTorchTarget"},
        extra="executorch",
        of="executorch",
        delegate="xnnpack",
    ),
    Format(
        name="executorch-coreml",
        suffix=".coreml.pte",
        target="converters.executorch.delegates.coreml:CoreMLDelegateTarget",
        judges={
            "coreml": "converters.executorch.delegates.judges:Inside",
            "evaluator": "converters.executorch.delegates.judges:Inside",
        },
        extra="executorch,coreml",
        of="executorch",
        delegate="coreml",
        inside="coreml",
    ),
    Format(
        name="executorch-vulkan",
        suffix=".vulkan.pte",
        target="converters.executorch.delegates.vulkan:VulkanDelegateTarget",
        judges={},
        extra="executorch",
        of="executorch",
        delegate="vulkan",
    ),
    Format(
        name="executorch-vgf",
        suffix=".vgf.pte",
        target="converters.executorch.delegates.vgf:VgfDelegateTarget",
        judges={"vgf": "converters.executorch.delegates.vgf:VgfInSoftware"},
        extra="vgf",
        of="executorch",
        delegate="vgf",
    ),
    Format(
        name="onnx",
        suffix=".onnx",
        target="converters.onnx.target:OnnxTarget",
        judges={"onnxruntime": "converters.onnx.target:OnnxTarget"},
        extra="onnx",
        optional=True,
    ),
    *(
        Format(
            name=soc.format_of(portable),
            suffix=f".{name.lower()}.{portable}",
            target=f"{spelled}:{name}",
            judges={f"qualcomm:{name}": f"{spelled}:{name}"},
            extra=f"{portable},qualcomm",
            of=portable,
        )
        for portable, spelled in COMPILED.items()
        for name, soc in SOCS.items()
    ),
)

ROWS = {row.name: row for row in FORMATS}
SUFFIXES = {row.suffix: row.name for row in FORMATS}
TARGETS = {row.name: row.target for row in FORMATS if row.of in (None, row.name)}
"""The formats that the command line names."""

DELEGATED = {row.name: row.target for row in FORMATS if row.of not in (None, row.name)}
"""Targets of other delegates than a format's usual one."""

DELEGATES = {
    name: {row.delegate: row.name for row in FORMATS if row.of == name and row.delegate is not None}
    for name in TARGETS
    if ROWS[name].delegate is not None
}
"""Formats that exist for several delegates: the format's own name, the delegate's, and the target's."""


class UnknownTargetError(ConverterError):
    exit_code = 2


def find_target(name: str) -> Target:
    """The target called `name`. Raises UnknownTargetError."""
    if name not in ROWS:
        raise UnknownTargetError(got=f"format {name!r}", allowed=", ".join(TARGETS), do=did_you_mean(name, TARGETS))
    row = ROWS[name]
    target: Target = _named(row.target, *([find_target(row.inside)] if row.inside else []))
    return target


def all_formats() -> list[str]:
    """The formats that "all" means here: every one that the command line names, of the optional ones those that are installed."""
    return [name for name in TARGETS if not ROWS[name].optional or find_target(name).missing() is None]


def judges_of(format: str) -> list[str]:
    """Names of the judges of a format, the usual one first."""
    return list(ROWS[format].judges)


def find_judge(name: str, format: str) -> Judge:
    """The judge called `name` of files of `format`. Raises UnknownTargetError."""
    row = ROWS[format]
    if name not in row.judges:
        raise UnknownTargetError(
            got=f"judge {name!r} for {format}",
            allowed=", ".join(row.judges) or f"none: nothing runs files of {format} here",
            do=did_you_mean(name, row.judges),
        )
    judge: Judge = _named(row.judges[name], *([find_judge(name, row.inside)] if row.inside else []))
    return judge


def _named(spelled: str, *given: Any) -> Any:
    """A new object of the class that "module:Class" spells, made with what is `given` and what stands behind it."""
    module, attribute, *arguments = spelled.split(":")
    return getattr(import_module(module), attribute)(*given, *arguments)


def target_of(path: Path) -> str | None:
    """The name of the target that writes files with this suffix, None for other files."""
    return SUFFIXES.get("".join(path.suffixes[-2:])) or SUFFIXES.get(path.suffix)


def artefact_target(path: Path) -> str:
    """The name of the target that wrote `path`. Raises ArtefactError where there is nothing, or no artefact."""
    name = target_of(path)
    if name is None or not path.exists():
        raise ArtefactError(
            got=f"{path}, which {'is no artefact' if path.exists() else 'does not exist'}",
            allowed=f"a name ending in {', '.join(dict.fromkeys('.' + suffix.rpartition('.')[2] for suffix in SUFFIXES))}",
            do="name a file or package that was written",
        )
    return name


def find_installed_target(name: str) -> Target:
    """The target called `name`, its toolchain being installed. Raises UnknownTargetError, ToolchainError."""
    target = find_target(name)
    missing = target.missing()
    if missing is not None:
        raise ToolchainError(got=f"format {name} without its toolchain", allowed="an installed toolchain", do=missing)
    return target
